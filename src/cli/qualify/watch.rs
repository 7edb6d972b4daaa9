//! Waiting for the journal: until it tells all that must happen, or the time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cases::{Case, Check, Ruling, Slip, Verdict};
use super::gateway::{Exchange, Gateway, GatewayError};
use super::judge::{self, Facts};
use super::run::{Failed, Progress, Runner, now};
use crate::clock::Stopwatch;

/// The node as the journal names it; other parties are not pagoPA's business.
const NODE: &str = "pagopa-node";
/// Between two looks into the journal while people pay.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two looks after the simulated PSP has paid: the journal is written in batches.
const SHORT_PAUSE: Duration = Duration::from_millis(200);
/// How long a line that the simulated PSP saw answered may take to reach the journal, in microseconds.
const JOURNAL_US: i64 = 10_000_000;
/// A sign of life is given about so often while people pay, in looks.
const LOOKS: u32 = 30;

/// What the second beneficiary's finance office is told.
const SECONDARY_CASE: &str = "secondary_beneficiary";

impl Runner {
    /// Looks into the journal until everything is there, or the time is over, and judges.
    pub(super) async fn watch(
        &mut self,
        open: &[Case],
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let is_simulated = self.world.is_some();
        let limit_us = match is_simulated {
            true => JOURNAL_US,
            false => i64::from(self.wait_minutes) * 60_000_000,
        };
        let mut told = BTreeMap::new();
        for look in 1_u32.. {
            let mut is_waiting = false;
            for case in open {
                let is_last = watch.micros() >= limit_us;
                let looked = match self.look(*case, is_last, progress).await {
                    // People take their time, and a gateway may be restarted meanwhile.
                    Err(error) if !is_last && is_passing(error.as_ref()) => {
                        self.tell(&format!("{:<10}  {error}; looking again", case.name()))?;
                        is_waiting = true;
                        continue;
                    }
                    looked => looked?,
                };
                let Some((ruling, is_whole)) = looked else {
                    continue;
                };
                is_waiting |= match is_simulated {
                    true => !is_whole,
                    false => ruling.is_waiting(),
                };
                let seen = (ruling.outcome, ruling.exchanges.len());
                if told.insert(*case, seen) != Some(seen) && !is_simulated {
                    let word = match ruling.is_waiting() {
                        true => "waiting",
                        false => ruling.outcome.word(),
                    };
                    let count = progress.exchanges.get(case).map_or(0, Vec::len);
                    self.tell(&format!(
                        "{:<10}  {word}, {count} exchanges so far",
                        case.name()
                    ))?;
                }
                self.state.rulings.insert(*case, ruling);
            }
            // The rulings are kept with their evidence and not before: a run that is interrupted here
            // looks again.
            if !is_waiting || watch.micros() >= limit_us {
                break;
            }
            if !is_simulated && look.is_multiple_of(LOOKS) {
                let minutes = watch.micros() / 60_000_000;
                self.tell(&format!("Still waiting, after {minutes} minutes."))?;
            }
            tokio::time::sleep(if is_simulated { SHORT_PAUSE } else { PAUSE }).await;
        }
        Ok(())
    }

    /// One look at a case that the journal decides: its ruling, and whether every line that must come
    /// is there. Nothing for the others.
    async fn look(
        &self,
        case: Case,
        is_last: bool,
        progress: &mut Progress,
    ) -> Result<Option<(Ruling, bool)>, Failed> {
        let noticed = match case {
            Case::Verify | Case::Pay | Case::Several => case,
            Case::Secondary => Case::Several,
            Case::Reconcile | Case::ReconcileSecondary => return Ok(None),
        };
        let plan = &self.state.plan;
        let journal = match (case, &self.secondary) {
            (Case::Secondary, Ok(gateway)) => gateway,
            (Case::Several | Case::Secondary, Err(why))
                if plan.secondary.is_none() || case == Case::Secondary =>
            {
                return Ok(Some((Ruling::not_run(case, why.clone(), now()), true)));
            }
            _ => &self.gateway,
        };
        let Some(slip) = self.state.notices.get(&noticed) else {
            let why = format!("il caso {} non è stato eseguito", noticed.name());
            return Ok(Some((Ruling::not_run(case, why, now()), true)));
        };
        let exchanges = self.exchanges(case, journal, slip, progress).await?;
        let awaited = progress.awaited.get(&case).copied().unwrap_or(0);
        let is_whole = exchanges.len() >= awaited;
        let (state, told) = match case {
            Case::Secondary => {
                let told = journal.exceptions(SECONDARY_CASE, &slip.number).await?;
                (None, told)
            }
            _ => (Some(journal.notice(&slip.id).await?.state), vec![]),
        };
        let creditor = match (case, &plan.secondary) {
            (Case::Secondary, Some(secondary)) => secondary,
            _ => &plan.creditor,
        };
        let shares = plan.shares(case);
        let facts = Facts {
            case,
            notice: slip,
            creditor,
            issuer: &plan.creditor,
            shares: &shares,
            exchanges: &exchanges,
            state: state.as_deref(),
            told: &told,
        };
        let (mut checks, receipt) = judge::judge(&facts);
        if let Some(fault) = progress.faults.get(&case) {
            checks.insert(0, refused(fault));
        }
        let mut ruling = Ruling::not_run(case, "", now());
        ruling.notice = Some(slip.clone());
        ruling.checks = checks;
        ruling.receipt = receipt;
        // The simulated PSP has done all it will do; a person may still come.
        ruling.decide(self.world.is_some() && (is_whole || is_last));
        progress.exchanges.insert(case, exchanges);
        Ok(Some((ruling, is_whole)))
    }

    /// The exchanges with the node about a notice, with their messages, each read once.
    async fn exchanges(
        &self,
        case: Case,
        journal: &Gateway,
        slip: &Slip,
        progress: &mut Progress,
    ) -> Result<Vec<Exchange>, GatewayError> {
        let mut exchanges = vec![];
        for line in journal.exchanges(&slip.number).await? {
            if line.party != NODE {
                continue;
            }
            let key = (case, line.id.clone());
            let exchange = match progress.read.get(&key) {
                Some(exchange) => exchange.clone(),
                None => {
                    let exchange = journal.exchange(&line.id).await?;
                    progress.read.insert(key, exchange.clone());
                    exchange
                }
            };
            exchanges.push(exchange);
        }
        Ok(exchanges)
    }
}

fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<GatewayError>();
    error.is_some_and(GatewayError::is_passing)
}

/// What the simulated PSP heard.
fn refused(fault: &str) -> Check {
    Check {
        expected: "Il PSP conclude l’operazione".to_owned(),
        found: fault.to_owned(),
        verdict: Verdict::NotMet,
    }
}
