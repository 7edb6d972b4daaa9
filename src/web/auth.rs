//! Who is calling: the key in `Authorization: Bearer`.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::Web;
use super::problem::Problem;
use crate::desk::keys::Scope;
use crate::domain::creditor::Creditor;

impl Web {
    /// The creditor whose key this is, when the key may do what is asked.
    ///
    /// # Errors
    /// 401 without a good key, 403 without the scope or when the creditor is not served any more,
    /// 503 when the store fails.
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
        self.desk
            .register()
            .get(&access.creditor)
            .cloned()
            .ok_or_else(Problem::unknown_creditor)
    }
}
