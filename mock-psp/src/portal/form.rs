//! The form for a top-up: its fields, the request made of them, and the errors beside them.

use jiff::Span;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::gateway::Refusal;

/// The amounts offered, in cents.
pub(super) const AMOUNTS_CENTS: [i64; 4] = [1_000, 2_000, 5_000, 10_000];
/// How long a parent has to pay.
const DUE_DAYS: i64 = 30;

/// What a parent enters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct TopUp {
    pub(super) creditor: String,
    pub(super) child_code: String,
    pub(super) child_name: String,
    pub(super) child_fiscal_code: String,
    pub(super) payer_name: String,
    pub(super) payer_fiscal_code: String,
    pub(super) payer_email: String,
    pub(super) amount_cents: String,
    /// Made with the form, so that sending it twice asks for one notice only.
    pub(super) external_id: String,
}

impl Default for TopUp {
    fn default() -> Self {
        TopUp {
            creditor: String::new(),
            child_code: String::new(),
            child_name: String::new(),
            child_fiscal_code: String::new(),
            payer_name: String::new(),
            payer_fiscal_code: String::new(),
            payer_email: String::new(),
            amount_cents: String::new(),
            external_id: new_external_id(),
        }
    }
}

impl TopUp {
    /// The demo family, ready to send.
    pub(super) fn of_the_demo_family(creditor: &str) -> Self {
        TopUp {
            creditor: creditor.to_owned(),
            child_code: "50004".to_owned(),
            child_name: "Giulia Rossi".to_owned(),
            child_fiscal_code: "RSSGLI16A41F205M".to_owned(),
            payer_name: "Mario Rossi".to_owned(),
            payer_fiscal_code: "RSSMRA80A01H501U".to_owned(),
            payer_email: "mario@example.org".to_owned(),
            amount_cents: "5000".to_owned(),
            ..TopUp::default()
        }
    }

    /// Texts without blanks around them, and an external id that is one.
    pub(super) fn tidied(mut self) -> Self {
        for text in [
            &mut self.creditor,
            &mut self.child_code,
            &mut self.child_name,
            &mut self.child_fiscal_code,
            &mut self.payer_name,
            &mut self.payer_fiscal_code,
            &mut self.payer_email,
            &mut self.amount_cents,
        ] {
            *text = text.trim().to_owned();
        }
        if Uuid::parse_str(&self.external_id).is_err() {
            self.external_id = new_external_id();
        }
        self
    }

    /// The form as it is shown again: where its external id is taken, with a new one.
    pub(super) fn after_refusal(self, conflicts: bool) -> Self {
        let external_id = if conflicts {
            new_external_id()
        } else {
            self.external_id
        };
        TopUp {
            external_id,
            ..self
        }
    }

    /// The request the gateway's contract describes. What was left empty is left out, and the
    /// gateway says what it misses.
    pub(super) fn notice(&self, today: Date) -> Option<Value> {
        let amount_cents: i64 = self.amount_cents.parse().ok()?;
        if !AMOUNTS_CENTS.contains(&amount_cents) {
            return None;
        }
        let due_on = today
            .checked_add(Span::new().try_days(DUE_DAYS).ok()?)
            .ok()?;
        Some(json!({
            "kind": "top_up",
            "service": "refezione",
            "external_id": self.external_id,
            "child": given(&[
                ("code", &self.child_code),
                ("name", &self.child_name),
                ("fiscal_code", &self.child_fiscal_code),
            ]),
            "payer": given(&[
                ("name", &self.payer_name),
                ("fiscal_code", &self.payer_fiscal_code),
                ("email", &self.payer_email),
            ]),
            "amount_cents": amount_cents,
            "description": format!("Ricarica mensa {}", self.child_code),
            "due_on": due_on.to_string(),
        }))
    }
}

fn new_external_id() -> String {
    Uuid::now_v7().to_string()
}

fn given(fields: &[(&str, &String)]) -> Value {
    let given = fields.iter().filter(|(_, text)| !text.is_empty());
    Value::Object(
        given
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect::<Map<_, _>>(),
    )
}

/// A message as a sentence: a capital letter first and a full stop last.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    let first = rest.next().map(char::to_uppercase);
    let stop = if message.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    first
        .into_iter()
        .flatten()
        .chain(rest)
        .chain(stop.chars())
        .collect()
}

/// Errors beside the fields, and those that belong to none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FormErrors {
    /// Id of the input and message, in the order the gateway gave them.
    pub(super) fields: Vec<(String, String)>,
    /// What belongs to no input.
    pub(super) other: Vec<String>,
}

/// The inputs of the form, each with its whole name; the gateway's field names become these when
/// dots become underscores.
const INPUTS: [(&str, &str); 8] = [
    ("creditor", "Ente a cui pagare"),
    ("child_code", "Codice della bambina o del bambino"),
    ("child_name", "Nome e cognome della bambina o del bambino"),
    (
        "child_fiscal_code",
        "Codice fiscale della bambina o del bambino",
    ),
    ("payer_name", "Nome e cognome di chi paga"),
    ("payer_fiscal_code", "Codice fiscale di chi paga"),
    ("payer_email", "E-mail di chi paga"),
    ("amount_cents", "Importo della ricarica"),
];

impl FormErrors {
    /// One error that belongs to no input.
    pub(super) fn other(message: impl Into<String>) -> Self {
        FormErrors {
            fields: Vec::new(),
            other: vec![message.into()],
        }
    }

    /// One error beside an input.
    pub(super) fn field(input: &str, message: &str) -> Self {
        FormErrors {
            fields: vec![(input.to_owned(), message.to_owned())],
            other: Vec::new(),
        }
    }

    /// What the gateway does not like, put beside the inputs.
    pub(super) fn of(refusal: &Refusal) -> Self {
        let mut errors = FormErrors::default();
        for error in &refusal.errors {
            let name = error
                .field
                .trim_start_matches(['$', '/', '.'])
                .replace(['.', '/'], "_");
            if INPUTS.iter().any(|(input, _)| *input == name) {
                errors.fields.push((name, sentence(&error.message)));
            } else {
                errors
                    .other
                    .push(format!("{}: {}", error.field, error.message));
            }
        }
        if errors.is_empty() {
            let reason = [&refusal.detail, &refusal.title, &refusal.code];
            let reason = reason.into_iter().find(|text| !text.is_empty());
            errors.other.push(
                reason
                    .map_or("Il servizio ha rifiutato la richiesta.", |s| s)
                    .to_owned(),
            );
        }
        errors
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.other.is_empty()
    }

    /// For the list above the form: the id of each wrong input, and its name with the message, so
    /// that two lines never say the same.
    pub(super) fn summary(&self) -> Vec<(&str, String)> {
        let line = |(input, message): &(String, String)| {
            let name = INPUTS.iter().find(|(id, _)| id == input);
            name.map_or_else(|| message.clone(), |(_, name)| format!("{name}: {message}"))
        };
        let fields = self.fields.iter();
        fields
            .map(|field| (field.0.as_str(), line(field)))
            .collect()
    }

    /// The message beside one input.
    pub(super) fn beside(&self, input: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name == input)
            .map(|(_, message)| message.as_str())
    }
}
