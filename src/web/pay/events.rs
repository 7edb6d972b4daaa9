//! The state of a notice as server-sent events: the page that waits draws itself anew when it changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{OriginalUri, Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use super::failure::Failure;
use super::notice::Asked;
use crate::web::Web;

/// Between two looks at the database.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks on one connection; then the browser comes again by itself, after so long.
const LOOKS: u32 = 300;
const AGAIN: Duration = Duration::from_secs(2);

/// One event as soon as the notice stands elsewhere than open, and the end.
pub(super) async fn events(
    State(web): State<Web>,
    Path(token): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let asked = Asked::of(&web, &token, &uri, &headers).await?;
    let first = Event::default().retry(AGAIN).comment("waiting");
    let looks = stream::unfold((web, asked, 0), |(web, asked, looks)| async move {
        if looks >= LOOKS {
            return None;
        }
        if looks > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        // What cannot be read now is asked again by the browser.
        let debt = web.desk.debt(&asked.creditor.code, &asked.debt.id).await;
        let state = debt.ok()?.public_state(web.clock.now().day_in_rome());
        let is_settled = state != crate::domain::debt::PublicState::Open;
        let event = match is_settled {
            true => Event::default().event("state").data(state.as_str()),
            false => Event::default().comment("open"),
        };
        let next = if is_settled { LOOKS } else { looks + 1 };
        Some((Ok(event), (web, asked, next)))
    });
    let whole = futures_util::StreamExt::chain(stream::iter([Ok(first)]), looks);
    Ok(Sse::new(whole).keep_alive(KeepAlive::default()))
}
