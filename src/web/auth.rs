//! Who is calling: the key in `Authorization: Bearer`, and for an operator's key the creditor it
//! speaks for in `Pagomensa-Creditor`.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::Web;
use super::problem::Problem;
use crate::desk::keys::{Access, Role, Scope};
use crate::domain::creditor::Creditor;
use crate::domain::party::CreditorCode;

/// Names the creditor that an operator speaks for.
pub(super) const CREDITOR: &str = "pagomensa-creditor";

impl Web {
    /// The creditor whose key this is, or that the operator whose key it is speaks for, when the key
    /// may do what is asked.
    ///
    /// # Errors
    /// 401 without a good key; 400 when an operator does not say for whom it speaks; 403 without the
    /// scope, for a creditor that is not the key's, or when the creditor is not served any more; 503
    /// when the store fails.
    pub(super) async fn caller(
        &self,
        headers: &HeaderMap,
        scope: Scope,
    ) -> Result<Arc<Creditor>, Problem> {
        let key = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim())
            .ok_or_else(Problem::unauthorized)?;
        let access = self
            .desk
            .access(key)
            .await?
            .ok_or_else(Problem::unauthorized)?;
        if !access.scopes.contains(&scope) {
            return Err(Problem::missing_scope(scope.as_str()));
        }
        let creditor = self.spoken_for(&access, headers)?;
        self.desk
            .register()
            .get(&creditor)
            .cloned()
            .ok_or_else(Problem::unknown_creditor)
    }

    fn spoken_for(&self, access: &Access, headers: &HeaderMap) -> Result<CreditorCode, Problem> {
        let mut named = headers.get_all(CREDITOR).iter();
        let named = match (named.next(), named.next()) {
            (None, _) => None,
            (Some(value), None) => Some(
                value
                    .to_str()
                    .ok()
                    .and_then(|text| CreditorCode::parse(text.trim()).ok())
                    .ok_or_else(Problem::creditor_required)?,
            ),
            (Some(_), Some(_)) => return Err(Problem::creditor_required()),
        };
        match access.role {
            Role::Creditor => match named {
                Some(named) if named != access.owner => Err(Problem::not_operated()),
                _ => Ok(access.owner.clone()),
            },
            Role::Operator => {
                let named = named.ok_or_else(Problem::creditor_required)?;
                self.desk
                    .register()
                    .operator(&access.owner)
                    .filter(|operator| operator.creditors.contains(&named))
                    .map(|_| named)
                    .ok_or_else(Problem::not_operated)
            }
        }
    }
}
