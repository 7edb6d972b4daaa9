//! A run of the plan: notices, PSP, journal, verdicts, evidence.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::cases::{Case, Check, Outcome, Receipt, Ruling, Slip, Verdict};
use super::evidence;
use super::folder::{Bundle, Folder, State};
use super::gateway::{Exchange, Gateway, Pdf};
use super::reconcile::{self, Sheet};
use super::world::{Played, World};
use super::{page, result, tell};
use crate::clock::Clock;

/// What ends a run early.
pub(super) type Failed = Box<dyn Error>;

/// A run.
#[derive(Debug)]
pub(super) struct Runner {
    pub gateway: Gateway,
    /// The second beneficiary's side, or why there is none.
    pub secondary: Result<Gateway, String>,
    pub world: Option<World>,
    /// Flows that were given.
    pub sheets: Vec<Sheet>,
    pub wait_minutes: u32,
    pub is_json: bool,
    pub folder: Folder,
    pub state: State,
    pub chosen: Vec<Case>,
}

/// What is known of the cases while they run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Exchanges with their messages, by journal (creditor) and id: they never change.
    pub(super) read: BTreeMap<(Case, String), Exchange>,
    /// How many lines the journal must get at least, by case.
    pub(super) awaited: BTreeMap<Case, usize>,
    /// What the simulated PSP heard when it did not go through.
    pub(super) faults: BTreeMap<Case, String>,
    pub(super) exchanges: BTreeMap<Case, Vec<Exchange>>,
}

impl Runner {
    /// Runs the chosen cases and writes the evidence: where, and what became of them.
    pub(super) async fn run(
        mut self,
        responsible: Option<&str>,
    ) -> Result<(PathBuf, State), Failed> {
        let mut bundle = Bundle::default();
        self.keep_passed(&mut bundle)?;
        let open: Vec<Case> = Case::ALL
            .into_iter()
            .filter(|case| self.chosen.contains(case) && !self.has_passed(*case))
            .collect();
        for case in open.iter().filter(|case| case.errand().is_some()) {
            self.prepare(*case).await?;
        }
        let mut progress = Progress::default();
        self.play(&open, &mut progress).await?;
        self.watch(&open, &mut progress).await?;
        for case in &open {
            self.write_down(*case, &progress, &mut bundle).await?;
        }
        for (case, creditor) in [
            (Case::Reconcile, Some(self.state.plan.creditor.clone())),
            (Case::ReconcileSecondary, self.state.plan.secondary.clone()),
        ] {
            if open.contains(&case) {
                let ruling = self
                    .reconcile(case, creditor.as_deref(), &mut bundle)
                    .await?;
                self.state.rulings.insert(case, ruling);
            }
        }
        let now = now();
        let result = serde_json::to_string_pretty(&result(&self.state))?;
        bundle
            .files
            .insert("result.json".to_owned(), result.into_bytes());
        let page = page::print(&self.state, responsible, &now);
        bundle
            .files
            .insert("index.html".to_owned(), page.into_bytes());
        let place = self.folder.path().to_owned();
        self.folder.replace(&self.state, &bundle)?;
        Ok((place, self.state))
    }

    fn has_passed(&self, case: Case) -> bool {
        let ruling = self.state.rulings.get(&case);
        ruling.is_some_and(|ruling| ruling.outcome == Outcome::Passed)
    }

    /// The evidence of cases that are not run now stays as it is.
    fn keep_passed(&self, bundle: &mut Bundle) -> Result<(), Failed> {
        for ruling in self.state.rulings.values() {
            if self.chosen.contains(&ruling.case) && ruling.outcome != Outcome::Passed {
                continue;
            }
            let talks = ruling.exchanges.iter();
            let messages = talks.flat_map(|talk| [&talk.request, &talk.reply]);
            let messages = messages.flatten().filter_map(|file| file.path.as_ref());
            for place in messages.chain(&ruling.files) {
                bundle.files.insert(place.clone(), self.folder.read(place)?);
            }
        }
        Ok(())
    }

    /// The notice of a case, when it needs one: that of an earlier run, unless the case failed with it.
    async fn prepare(&mut self, case: Case) -> Result<(), Failed> {
        if case == Case::Several && self.state.plan.secondary.is_none() {
            return Ok(());
        }
        let had = self.state.notices.get(&case);
        let failed = self.state.rulings.get(&case);
        let is_burnt = failed.is_some_and(|ruling| ruling.outcome == Outcome::Failed);
        let attempt = match had {
            Some(_) if !is_burnt => return Ok(()),
            Some(slip) => slip.attempt + 1,
            None => 1,
        };
        let notice = self.gateway.open(&self.request(case, attempt)).await?;
        let slip = Slip {
            attempt,
            id: notice.id,
            number: notice.notice_number,
            iuv: notice.iuv,
            amount_cents: notice.amount_cents,
        };
        self.state.notices.insert(case, slip);
        self.state.rulings.remove(&case);
        self.folder.keep(&self.state)?;
        Ok(())
    }

    /// The request for the notice of a case: the same words each time, so that it is opened once.
    fn request(&self, case: Case, attempt: u32) -> Value {
        let plan = &self.state.plan;
        let mut request = json!({
            "kind": "top_up",
            "service": plan.service,
            "external_id": format!("qualify-{}-{}-{attempt}", self.state.run, case.name()),
            "child": {
                "code": plan.child_code,
                "name": plan.child_name,
                "fiscal_code": plan.child_fiscal_code,
            },
            "payer": {
                "name": plan.payer_name,
                "fiscal_code": plan.payer_fiscal_code,
                "email": plan.payer_email,
            },
            "amount_cents": plan.amount_cents,
            "description": format!("Prova di qualifica pagoPA {}", case.name()),
            "due_on": self.state.due_on,
        });
        if case == Case::Several
            && let Some(fields) = request.as_object_mut()
        {
            let shares = plan.shares(case).into_iter().map(|(creditor, cents)| {
                let iban = (creditor != plan.creditor).then_some(&plan.secondary_iban);
                json!({
                    "creditor": creditor,
                    "iban": iban,
                    "amount_cents": cents.get(),
                })
            });
            fields.insert("transfers".to_owned(), shares.collect());
        }
        request
    }

    /// Lets the simulated PSP verify and pay, or says who must verify and pay what.
    async fn play(&self, open: &[Case], progress: &mut Progress) -> Result<(), Failed> {
        let mut errands = vec![];
        for case in open {
            let (Some(errand), Some(slip)) = (case.errand(), self.state.notices.get(case)) else {
                continue;
            };
            let is_done = self.gateway.notice(&slip.id).await?.state == "paid";
            match &self.world {
                Some(_) if is_done => {}
                Some(world) => {
                    self.tell(&format!("{}: the simulated PSP is at work", case.name()))?;
                    let creditor = &self.state.plan.creditor;
                    let played = world.play(*case, creditor, &slip.number).await?;
                    self.heard(*case, &played, slip, progress)?;
                }
                None if is_done => {}
                None => errands.push(format!(
                    "{:<10}  {errand}: notice {}, creditor {}, amount {}.{:02} euro",
                    case.name(),
                    slip.number,
                    self.state.plan.creditor,
                    slip.amount_cents / 100,
                    slip.amount_cents % 100,
                )),
            }
        }
        if !errands.is_empty() {
            self.tell("With the tools of pagoPA's test environment:")?;
            for errand in errands {
                self.tell(&errand)?;
            }
            self.tell(&format!(
                "Waiting at most {} minutes for the exchanges. Interrupt it (Ctrl-C) and run it again \
                 with the same words at any time: it goes on from here.",
                self.wait_minutes
            ))?;
        }
        Ok(())
    }

    /// Notes how many lines the journals must get for what the PSP saw answered.
    fn heard(
        &self,
        case: Case,
        played: &Played,
        slip: &Slip,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let plan = &self.state.plan;
        let second = match (case, &plan.secondary, &self.secondary) {
            (Case::Several, Some(code), Ok(_)) => Some((Case::Secondary, code)),
            _ => None,
        };
        for (case, code) in [(case, &plan.creditor)].into_iter().chain(second) {
            progress.awaited.insert(case, played.answered_by(code));
            progress
                .faults
                .extend(played.fault_with(code).map(|fault| (case, fault)));
        }
        let number = &slip.number;
        Ok(self.tell(&format!("{}: notice {number}, done", case.name()))?)
    }

    /// The files of a case that the journal decides.
    async fn write_down(
        &mut self,
        case: Case,
        progress: &Progress,
        bundle: &mut Bundle,
    ) -> Result<(), Failed> {
        let none = vec![];
        let exchanges = progress.exchanges.get(&case).unwrap_or(&none);
        let Some(mut ruling) = self.state.rulings.remove(&case) else {
            return Ok(());
        };
        ruling.exchanges = evidence::exchanges(case, exchanges, bundle);
        evidence::extract(&mut ruling, exchanges, bundle);
        if matches!(case, Case::Pay | Case::Several)
            && let (Some(slip), Some(_)) = (&ruling.notice, &ruling.receipt)
        {
            let found = match self.gateway.receipt_pdf(&slip.number).await? {
                Pdf::Here(bytes) => {
                    let place = format!("{}/receipt.pdf", case.name());
                    bundle.files.insert(place.clone(), bytes);
                    ruling.files.push(place);
                    "receipt.pdf".to_owned()
                }
                Pdf::None(why) => {
                    format!("non prodotta da questo gateway ({why}): da allegare a parte")
                }
            };
            ruling.checks.push(Check {
                expected: "Quietanza per chi ha pagato".to_owned(),
                found,
                verdict: Verdict::Noted,
            });
        }
        self.state.rulings.insert(case, ruling);
        Ok(())
    }

    /// A case that flows decide.
    async fn reconcile(
        &self,
        case: Case,
        creditor: Option<&str>,
        bundle: &mut Bundle,
    ) -> Result<Ruling, Failed> {
        let sources: &[Case] = match case {
            Case::Reconcile => &[Case::Pay, Case::Several],
            _ => &[Case::Secondary],
        };
        let Some(creditor) = creditor else {
            let why = "manca il secondo beneficiario (--secondary)";
            return Ok(Ruling::not_run(case, why, now()));
        };
        let mut receipts: Vec<&Receipt> = vec![];
        for source in sources {
            // Without a second beneficiary there is only the one payment to look for.
            if *source == Case::Several && !self.state.notices.contains_key(source) {
                continue;
            }
            let ruling = self.state.rulings.get(source);
            match ruling.and_then(|ruling| ruling.receipt.as_ref()) {
                Some(receipt) => receipts.push(receipt),
                None => {
                    let why = format!("il caso {} non ha ancora una ricevuta", source.name());
                    return Ok(Ruling::not_run(case, why, now()));
                }
            }
        }
        let simulated = self.simulated_flows(creditor, &receipts).await?;
        let given = self
            .sheets
            .iter()
            .filter(|sheet| sheet.flow.receiver == creditor);
        let sheets: Vec<&Sheet> = given.chain(&simulated).collect();
        if sheets.is_empty() {
            let why = match self.world {
                Some(_) => "il mondo simulato non ha flussi di quei giorni",
                None => "serve il flusso di rendicontazione (--flow), pubblicato entro D+2",
            };
            return Ok(Ruling::not_run(
                case,
                format!("{why}: ente {creditor}"),
                now(),
            ));
        }
        let mut ruling = Ruling::not_run(case, "", now());
        ruling.checks = reconcile::judge(creditor, &receipts, &sheets);
        ruling.decide(true);
        for (index, sheet) in sheets.iter().enumerate() {
            let place = format!("{}/{:02}-FlussoRiversamento.xml", case.name(), index + 1);
            bundle.files.insert(place.clone(), sheet.bytes.clone());
            ruling.files.push(place);
        }
        Ok(ruling)
    }

    /// The flows of the days on which the receipts were paid, unless flows were given.
    async fn simulated_flows(
        &self,
        creditor: &str,
        receipts: &[&Receipt],
    ) -> Result<Vec<Sheet>, Failed> {
        let has_given = self
            .sheets
            .iter()
            .any(|sheet| sheet.flow.receiver == creditor);
        let Some(world) = self.world.as_ref().filter(|_| !has_given) else {
            return Ok(vec![]);
        };
        let mut days: Vec<&str> = receipts
            .iter()
            .map(|receipt| receipt.paid_on.as_str())
            .collect();
        days.sort_unstable();
        days.dedup();
        let mut sheets = vec![];
        for day in days {
            if let Some(bytes) = world.flow(creditor, day).await? {
                sheets.push(Sheet::of(&format!("the simulated flow of {day}"), bytes)?);
            }
        }
        Ok(sheets)
    }

    pub(super) fn tell(&self, text: &str) -> std::io::Result<()> {
        tell(self.is_json, text)
    }
}

/// The present instant, as it is kept.
pub(super) fn now() -> String {
    Clock::System.now().to_string()
}
