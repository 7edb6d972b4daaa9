//! The cases of the test plan, and what is kept of each.
//!
//! Source: pagoPA, "Piano dei test per l'EC per pagamento presso PSP (Nuovo Modello 3)", 1.0, May 2021.

use serde::{Deserialize, Serialize};

/// A case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Case {
    /// A notice is verified.
    #[serde(rename = "EC-PSP-01")]
    Verify,
    /// A notice of one beneficiary is paid.
    #[serde(rename = "EC-PSP-02")]
    Pay,
    /// A notice of several beneficiaries is paid.
    #[serde(rename = "EC-PSP-02M")]
    Several,
    /// The second beneficiary is told.
    #[serde(rename = "EC-PSP-03")]
    Secondary,
    /// The creditor's payments are in its flow.
    #[serde(rename = "EC-PSP-04")]
    Reconcile,
    /// The second beneficiary's are in its flow.
    #[serde(rename = "EC-PSP-05")]
    ReconcileSecondary,
}

impl Case {
    /// In the order of the plan.
    pub(super) const ALL: [Case; 6] = [
        Case::Verify,
        Case::Pay,
        Case::Several,
        Case::Secondary,
        Case::Reconcile,
        Case::ReconcileSecondary,
    ];

    /// Its name in the plan, and that of its folder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Case::Verify => "EC-PSP-01",
            Case::Pay => "EC-PSP-02",
            Case::Several => "EC-PSP-02M",
            Case::Secondary => "EC-PSP-03",
            Case::Reconcile => "EC-PSP-04",
            Case::ReconcileSecondary => "EC-PSP-05",
        }
    }

    /// The case with this name.
    pub(super) fn parse(text: &str) -> Option<Case> {
        Case::ALL
            .into_iter()
            .find(|case| case.name().eq_ignore_ascii_case(text.trim()))
    }

    /// Its title on the page.
    pub(super) fn title(self) -> &'static str {
        match self {
            Case::Verify => "Verifica di un avviso di pagamento",
            Case::Pay => "Pagamento mono-beneficiario presso il PSP con esito positivo",
            Case::Several => "Pagamento multi-beneficiario presso il PSP con esito positivo",
            Case::Secondary => "Ricezione della notifica di avvenuto incasso come ente secondario",
            Case::Reconcile => "Riconciliazione dei pagamenti delle proprie posizioni debitorie",
            Case::ReconcileSecondary => {
                "Riconciliazione dei pagamenti di posizioni debitorie gestite da altro ente"
            }
        }
    }

    /// What is asked of whom.
    pub(super) fn asked(self) -> &'static str {
        match self {
            Case::Verify => {
                "Un PSP chiede la verifica di un avviso emesso dall’ente; nessuno lo paga."
            }
            Case::Pay => {
                "Un PSP verifica e paga un avviso con un solo beneficiario; il nodo consegna la ricevuta all’ente."
            }
            Case::Several => {
                "Un PSP paga un avviso con due beneficiari; il nodo consegna la ricevuta all’ente che lo ha emesso."
            }
            Case::Secondary => {
                "Il nodo consegna al secondo beneficiario la copia della ricevuta del caso EC-PSP-02M."
            }
            Case::Reconcile => {
                "I pagamenti dei casi EC-PSP-02 ed EC-PSP-02M si cercano nel flusso di rendicontazione dell’ente, per IUV (creditorReferenceId) e IUR (receiptId)."
            }
            Case::ReconcileSecondary => {
                "Il pagamento del caso EC-PSP-03 si cerca nel flusso di rendicontazione del secondo beneficiario, per IUV (creditorReferenceId) e IUR (receiptId)."
            }
        }
    }

    /// What the person at the PSP must do, without a simulated world.
    pub(super) fn errand(self) -> Option<&'static str> {
        match self {
            Case::Verify => Some("verify this notice and do not pay it"),
            Case::Pay | Case::Several => Some("pay this notice"),
            Case::Secondary | Case::Reconcile | Case::ReconcileSecondary => None,
        }
    }
}

/// The notice of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slip {
    /// How often the case was begun; each time with another notice.
    pub attempt: u32,
    pub id: String,
    pub number: String,
    pub iuv: String,
    pub amount_cents: i64,
}

/// Whether an expectation was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It was.
    Met,
    /// It was not.
    NotMet,
    /// What it is about has not happened yet.
    Missing,
    /// Told for the record; the case does not depend on it.
    Noted,
}

/// An expectation and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    pub expected: String,
    pub found: String,
    pub verdict: Verdict,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Passed,
    Failed,
    NotRun,
}

impl Outcome {
    /// For the terminal.
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::NotRun => "not run",
        }
    }

    /// For the page.
    pub(super) fn italian(self) -> &'static str {
        match self {
            Outcome::Passed => "superato",
            Outcome::Failed => "non superato",
            Outcome::NotRun => "non eseguito",
        }
    }
}

/// A message in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    /// Its place in the folder; nothing when the bytes were erased or could not be told.
    pub path: Option<String>,
    /// As the journal says it.
    pub sha256: String,
}

/// An exchange, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Talk {
    pub id: String,
    pub started_at: String,
    pub operation: String,
    pub outcome: String,
    pub http_status: u16,
    pub duration_us: i64,
    pub request: Option<File>,
    pub reply: Option<File>,
}

/// A receipt as the judge read it; what flows are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    pub id: String,
    pub iuv: String,
    /// The day of the payment in Rome.
    pub paid_on: String,
    pub transfers: Vec<Transfer>,
    /// The name of the creditor of the notice.
    pub company: String,
    /// Whom the message was for.
    pub broker: String,
    pub station: String,
    pub psp: String,
    pub psp_name: String,
    pub psp_fiscal_code: String,
}

/// A part of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub index: u8,
    pub creditor: String,
    pub cents: i64,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ruling {
    pub case: Case,
    pub outcome: Outcome,
    /// Why it has not passed.
    pub why: Option<String>,
    pub judged_at: String,
    pub notice: Option<Slip>,
    pub checks: Vec<Check>,
    pub exchanges: Vec<Talk>,
    pub receipt: Option<Receipt>,
    /// Other files of the case: extracts, flows, the receipt for the payer.
    pub files: Vec<String>,
}

impl Ruling {
    /// A case that could not be run.
    pub(super) fn not_run(case: Case, why: impl Into<String>, judged_at: String) -> Ruling {
        Ruling {
            case,
            outcome: Outcome::NotRun,
            why: Some(why.into()),
            judged_at,
            notice: None,
            checks: vec![],
            exchanges: vec![],
            receipt: None,
            files: vec![],
        }
    }

    /// The outcome by the checks. What is missing can still come, unless nobody is left to send it.
    pub(super) fn decide(&mut self, is_final: bool) {
        let first = |verdict| self.checks.iter().find(|check| check.verdict == verdict);
        let tell = |check: &Check| format!("{}: {}", check.expected, check.found);
        (self.outcome, self.why) = match (first(Verdict::NotMet), first(Verdict::Missing)) {
            (Some(check), _) => (Outcome::Failed, Some(tell(check))),
            (None, Some(check)) if is_final => (Outcome::Failed, Some(tell(check))),
            (None, Some(check)) => (Outcome::NotRun, Some(tell(check))),
            (None, None) => (Outcome::Passed, None),
        };
    }

    /// Whether something that can still come is missing.
    pub(super) fn is_waiting(&self) -> bool {
        self.outcome == Outcome::NotRun && !self.checks.is_empty()
    }
}
