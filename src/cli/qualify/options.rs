//! The words of `pagomensa qualify`, and the plan they make.

use std::path::PathBuf;

use clap::Args;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::cases::Case;
use crate::domain::iban::Iban;
use crate::domain::money::Cents;
use crate::domain::party::{CreditorCode, Email, FiscalCode};

/// What `--help` says below the options.
const GUIDE: &str = "\
WHAT IT DOES
  Before a station may collect, pagoPA wants the evidence of a test plan (Piano dei test per
  l'EC, pagamento presso PSP):
    EC-PSP-01   a PSP verifies a notice
    EC-PSP-02   a PSP pays a notice of one beneficiary, and the receipt is taken
    EC-PSP-02M  the same for a notice of several beneficiaries (needs --secondary)
    EC-PSP-03   the second beneficiary takes its copy of that receipt (needs its journal)
    EC-PSP-04   the creditor's own payments are found in a reporting flow
    EC-PSP-05   the second beneficiary's are found in its reporting flow
  This command makes the notices, reads the exchanges in the gateway's journal, judges each case
  and writes a folder with a page (index.html), the messages byte for byte, an extract of the
  journal and checksums.

IN THE DEMO (nobody has to do anything; the simulated world plays the PSP)
  pagomensa qualify --gateway http://127.0.0.1:8080 --key-file data/demo/operator.key \\
    --creditor 77777777777 --secondary 77777777778 --world http://127.0.0.1:8082 --out qualify

IN PAGOPA'S ACCEPTANCE ENVIRONMENT (UAT)
  Leave --world out. The command says which notice must be verified or paid with pagoPA's tools,
  and waits. It can be interrupted: with the same words it goes on where it was. When the PSP has
  published the flow, some days later, run it again with --flow FILE.

THE KEY
  pagomensa keys create --creditor CODE --name qualify --scope notices:read \\
    --scope notices:write --scope exceptions:read --scope audit
  It stands in the file of --key-file, or in the variable PAGOMENSA_QUALIFY_KEY; that of the
  second beneficiary in PAGOMENSA_QUALIFY_SECONDARY_KEY. An operator's key serves for both.

EXIT STATUS
  0 every chosen case has passed; 1 one has not, or the command could not work; 2 wrong words.";

/// What to qualify, and how.
#[derive(Debug, Args)]
#[command(after_long_help = GUIDE)]
pub struct Options {
    /// The gateway's web address, such as https://pagomensa.example.it
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) gateway: Url,
    /// A file with the key of the REST API; else PAGOMENSA_QUALIFY_KEY
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// The fiscal code of the creditor whose station is tested
    #[arg(long, value_name = "FISCAL_CODE", value_parser = code)]
    pub(super) creditor: CreditorCode,
    /// The fiscal code of a second beneficiary, for the cases 02M, 03 and 05
    #[arg(long, value_name = "FISCAL_CODE", value_parser = code)]
    pub(super) secondary: Option<CreditorCode>,
    /// The second beneficiary's key; else PAGOMENSA_QUALIFY_SECONDARY_KEY, else the first key
    #[arg(long, value_name = "FILE", requires = "secondary")]
    pub(super) secondary_key_file: Option<PathBuf>,
    /// The second beneficiary's account, when this gateway does not serve it
    #[arg(long, value_name = "IBAN", requires = "secondary", value_parser = iban)]
    pub(super) secondary_iban: Option<Iban>,
    /// The simulated world that plays the PSP, such as http://127.0.0.1:8082; never in UAT
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) world: Option<Url>,
    /// A reporting flow (FlussoRiversamento) for the cases 04 and 05. May be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) flow: Vec<PathBuf>,
    /// Wait so long for the PSP, without --world
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub(super) wait: u32,
    /// Only this case, such as EC-PSP-02. May be repeated; all when left out
    #[arg(long, value_name = "CASE", value_parser = case)]
    pub(super) case: Vec<Case>,
    /// The folder of the evidence: new, empty, or one of an earlier run
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Answer in JSON; what must be done meanwhile is said on standard error
    #[arg(long)]
    pub(super) json: bool,
    /// Who answers for the tests, for the page
    #[arg(long, value_name = "NAME")]
    pub(super) responsible: Option<String>,
    #[command(flatten)]
    data: Data,
}

/// What the notices say. The people are invented: evidence must not hold real ones.
#[derive(Debug, Args)]
#[command(next_help_heading = "Test data")]
struct Data {
    /// The creditor's service
    #[arg(long, value_name = "CODE", default_value = "refezione")]
    service: String,
    /// What each notice asks for, in cents; the second beneficiary gets two fifths of one
    #[arg(long, value_name = "CENTS", default_value_t = 1_000, value_parser = clap::value_parser!(i64).range(5..=99_999_999_999))]
    amount_cents: i64,
    /// The child's code in the meal ledger
    #[arg(long, value_name = "CODE", default_value = "50004")]
    child_code: String,
    /// The child's name
    #[arg(long, value_name = "NAME", default_value = "Giulia Rossi")]
    child_name: String,
    /// The child's fiscal code
    #[arg(long, value_name = "FISCAL_CODE", default_value = "RSSGLI16A41F205M", value_parser = person)]
    child_fiscal_code: FiscalCode,
    /// The payer's name
    #[arg(long, value_name = "NAME", default_value = "Mario Rossi")]
    payer_name: String,
    /// The payer's fiscal code
    #[arg(long, value_name = "FISCAL_CODE", default_value = "RSSMRA80A01H501U", value_parser = person)]
    payer_fiscal_code: FiscalCode,
    /// The payer's e-mail address
    #[arg(long, value_name = "ADDRESS", default_value = "mario.rossi@example.org", value_parser = email)]
    payer_email: Email,
}

/// What is done, as it is kept with the evidence: a folder holds one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub gateway: String,
    pub world: Option<String>,
    pub creditor: String,
    pub secondary: Option<String>,
    pub secondary_iban: Option<String>,
    pub service: String,
    pub amount_cents: i64,
    pub child_code: String,
    pub child_name: String,
    pub child_fiscal_code: String,
    pub payer_name: String,
    pub payer_fiscal_code: String,
    pub payer_email: String,
}

impl Plan {
    /// What is to be done by these words.
    pub(super) fn of(options: &Options) -> Plan {
        let text = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let data = &options.data;
        Plan {
            gateway: text(&options.gateway),
            world: options.world.as_ref().map(text),
            creditor: options.creditor.to_string(),
            secondary: options.secondary.as_ref().map(ToString::to_string),
            secondary_iban: options
                .secondary_iban
                .as_ref()
                .map(|iban| iban.as_str().to_owned()),
            service: data.service.clone(),
            amount_cents: data.amount_cents,
            child_code: data.child_code.clone(),
            child_name: data.child_name.clone(),
            child_fiscal_code: data.child_fiscal_code.as_str().to_owned(),
            payer_name: data.payer_name.clone(),
            payer_fiscal_code: data.payer_fiscal_code.as_str().to_owned(),
            payer_email: data.payer_email.as_str().to_owned(),
        }
    }

    /// The plan of an earlier run with what this one adds. A second beneficiary may be added later;
    /// everything else must be the same, or the evidence would be of two plans.
    ///
    /// # Errors
    /// The name of what differs, with both values.
    pub(super) fn continued(self, now: Plan) -> Result<Plan, String> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let rows = [
            ("--gateway", &self.gateway, &now.gateway),
            ("--world", &or_none(&self.world), &or_none(&now.world)),
            ("--creditor", &self.creditor, &now.creditor),
            ("--service", &self.service, &now.service),
            (
                "--amount-cents",
                &self.amount_cents.to_string(),
                &now.amount_cents.to_string(),
            ),
            ("--child-code", &self.child_code, &now.child_code),
            ("--child-name", &self.child_name, &now.child_name),
            (
                "--child-fiscal-code",
                &self.child_fiscal_code,
                &now.child_fiscal_code,
            ),
            ("--payer-name", &self.payer_name, &now.payer_name),
            (
                "--payer-fiscal-code",
                &self.payer_fiscal_code,
                &now.payer_fiscal_code,
            ),
            ("--payer-email", &self.payer_email, &now.payer_email),
        ];
        if let Some((name, was, is)) = rows.into_iter().find(|(_, was, is)| was != is) {
            return Err(format!("{name} was {was} there and is {is} now"));
        }
        let added = |name: &str, was: &Option<String>, is: Option<String>| match (was, is) {
            (Some(was), Some(is)) if *was != is => {
                Err(format!("{name} was {was} there and is {is} now"))
            }
            (was, is) => Ok(was.clone().or(is)),
        };
        Ok(Plan {
            secondary: added("--secondary", &self.secondary, now.secondary)?,
            secondary_iban: added("--secondary-iban", &self.secondary_iban, now.secondary_iban)?,
            ..self
        })
    }

    /// Who gets what of the notice of a case.
    pub(super) fn shares(&self, case: Case) -> Vec<(&str, Cents)> {
        let own = (self.creditor.as_str(), Cents::new(self.amount_cents));
        match (&self.secondary, case) {
            (Some(secondary), Case::Several | Case::Secondary) => {
                let second = self.amount_cents / 5 * 2;
                vec![
                    (own.0, Cents::new(self.amount_cents - second)),
                    (secondary.as_str(), Cents::new(second)),
                ]
            }
            _ => vec![own],
        }
    }
}

/// An address of the web, without query.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || url.query().is_some() || url.fragment().is_some() {
        return Err("must be an address such as https://pagomensa.example.it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a password".to_owned());
    }
    Ok(url)
}

fn code(text: &str) -> Result<CreditorCode, String> {
    CreditorCode::parse(text).map_err(|error| error.to_string())
}

fn person(text: &str) -> Result<FiscalCode, String> {
    FiscalCode::parse(text).map_err(|error| error.to_string())
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

fn iban(text: &str) -> Result<Iban, String> {
    Iban::parse(text).map_err(|error| error.to_string())
}

fn case(text: &str) -> Result<Case, String> {
    Case::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Case::ALL.iter().map(|case| case.name()).collect();
        format!("must be one of {}", names.join(", "))
    })
}
