//! The lines of a chain, page by page: memory does not grow with the journal.

use std::collections::VecDeque;

use crate::store::lines::{self, Line};
use crate::store::{Conn, StoreError};

/// Lines on a page, each with the bytes of two messages.
const PAGE: i64 = 64;

/// The lines of a chain, page by page.
pub(super) struct Lines<'c> {
    chain: &'c str,
    after: (i64, i64),
    page: VecDeque<Line>,
    is_at_end: bool,
}

impl<'c> Lines<'c> {
    /// All lines of a chain.
    pub(super) fn of(chain: &'c str) -> Lines<'c> {
        Lines {
            chain,
            after: (i64::MIN, i64::MIN),
            page: VecDeque::new(),
            is_at_end: false,
        }
    }

    /// Leaves out the lines of this block and of all before it; before anything is read.
    pub(super) fn start_after(&mut self, block: i64) {
        self.after = (block, i64::MAX);
    }

    /// Whose lines they are.
    pub(super) fn chain(&self) -> &'c str {
        self.chain
    }

    async fn peek(&mut self, conn: &mut Conn) -> Result<Option<&Line>, StoreError> {
        if self.page.is_empty() && !self.is_at_end {
            let lines = lines::of_chain(conn, self.chain, self.after, PAGE).await?;
            self.is_at_end = lines.is_empty();
            if let Some(last) = lines.last() {
                self.after = (last.block, last.place);
            }
            self.page = lines.into();
        }
        Ok(self.page.front())
    }

    /// The next line, when it is in this block or an earlier one.
    pub(super) async fn up_to(
        &mut self,
        conn: &mut Conn,
        block: i64,
    ) -> Result<Option<Line>, StoreError> {
        let is_wanted = self
            .peek(conn)
            .await?
            .is_some_and(|line| line.block <= block);
        Ok(if is_wanted {
            self.page.pop_front()
        } else {
            None
        })
    }
}
