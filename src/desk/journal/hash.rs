//! What the hashes of the journal are taken over.
//!
//! Every list of fields is fed in one way only: each field with its type and its length, each list
//! under a name of its own. Two different lines can therefore never be fed alike, whatever stands in
//! them. Of a message its SHA-256 is fed and not its bytes: so the bytes can be erased, and the chain
//! still holds.

use openssl::sha::Sha256;

use crate::store::chains::{Block, Head};
use crate::store::exchanges::{Exchange, Paper};
use crate::wire::digest::hex;

/// What stands in the place of a previous hash in the first block of a chain.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A list of fields on its way into a hash.
struct Fields(Sha256);

impl Fields {
    /// A list with a name: hashes of different things never agree.
    fn of(name: &str) -> Fields {
        Fields(Sha256::new()).text(name)
    }

    fn text(mut self, text: &str) -> Fields {
        // A length of 64 bits, whatever the machine's own is.
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.0.update(&[1]);
        self.0.update(&length.to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn optional(mut self, text: Option<&str>) -> Fields {
        match text {
            Some(text) => self.text(text),
            None => {
                self.0.update(&[0]);
                self
            }
        }
    }

    fn number(mut self, number: i64) -> Fields {
        self.0.update(&[2]);
        self.0.update(&number.to_be_bytes());
        self
    }

    fn paper(self, paper: Option<&Paper>) -> Fields {
        self.optional(paper.map(|paper| paper.id.as_str()))
            .optional(paper.map(|paper| paper.sha256.as_str()))
    }

    fn finish(self) -> String {
        hex(&self.0.finish())
    }
}

/// The hash of an exchange in its place: of every column, and of the hashes of both messages.
pub(super) fn exchange(chain: &str, block: i64, place: i64, exchange: &Exchange) -> String {
    Fields::of("pagomensa.exchange.1")
        .text(chain)
        .number(block)
        .number(place)
        .text(exchange.id.as_str())
        .text(&exchange.started_at.to_string())
        .text(exchange.direction.as_str())
        .text(&exchange.party)
        .text(exchange.kind.as_str())
        .text(&exchange.operation)
        .optional(exchange.address.as_deref())
        .optional(exchange.peer.as_deref())
        .optional(exchange.creditor.as_deref())
        .optional(exchange.notice.as_deref())
        .optional(exchange.iuv.as_deref())
        .optional(exchange.reference.as_deref())
        .text(&exchange.outcome)
        .number(i64::from(exchange.http_status))
        .number(exchange.duration_us)
        .paper(exchange.request.as_ref())
        .paper(exchange.reply.as_ref())
        .finish()
}

/// The hash over the hashes of a block's exchanges, in their order.
pub(super) fn exchanges<'a>(hashes: impl IntoIterator<Item = &'a str>) -> String {
    hashes
        .into_iter()
        .fold(Fields::of("pagomensa.exchanges.1"), Fields::text)
        .finish()
}

/// The hash over the heads that a block vouches for, each in its place.
pub(super) fn links(heads: &[(i64, Head)]) -> String {
    heads
        .iter()
        .fold(Fields::of("pagomensa.links.1"), |fields, (place, head)| {
            fields
                .number(*place)
                .text(&head.chain)
                .number(head.number)
                .text(&head.hash)
        })
        .finish()
}

/// The hash of a block: of everything in it but the mark of its pruning.
pub(super) fn block(block: &Block) -> String {
    Fields::of("pagomensa.block.1")
        .text(&block.chain)
        .number(block.number)
        .text(&block.previous)
        .text(&block.kinds)
        .number(block.exchanges)
        .text(&block.exchanges_digest)
        .number(block.links)
        .text(&block.links_digest)
        .text(&block.written_at.to_string())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::day::Instant;
    use crate::domain::ids::{DocumentId, ExchangeId};
    use crate::store::exchanges::{Direction, Kind};

    fn sample() -> Exchange {
        Exchange {
            id: ExchangeId::new("e"),
            started_at: Instant::from_millis(0),
            direction: Direction::In,
            party: "p".to_owned(),
            kind: Kind::Read,
            operation: "o".to_owned(),
            address: None,
            peer: None,
            creditor: None,
            notice: None,
            iuv: None,
            reference: None,
            outcome: "OK".to_owned(),
            http_status: 200,
            duration_us: 7,
            request: None,
            reply: None,
        }
    }

    /// Every field counts, an empty text is not a missing one, and no text can slip from one field
    /// into the next.
    #[test]
    fn no_two_exchanges_are_fed_alike() {
        let paper = |id: &str, sha256: &str| {
            Some(Paper {
                id: DocumentId::new(id),
                sha256: sha256.to_owned(),
            })
        };
        let text = |text: &str| Some(text.to_owned());
        let changes: [fn(&mut Exchange); 11] = [
            |_| {},
            |e| e.id = ExchangeId::new("f"),
            |e| e.started_at = Instant::from_millis(1),
            |e| e.direction = Direction::Out,
            |e| e.party = "q".to_owned(),
            |e| e.kind = Kind::Receipt,
            |e| e.operation = "oO".to_owned(),
            |e| e.outcome = "K".to_owned(),
            |e| e.http_status = 201,
            |e| e.duration_us = -7,
            |e| (e.operation, e.outcome) = ("oO".to_owned(), "K".to_owned()),
        ];
        let mut all: Vec<Exchange> = changes
            .iter()
            .map(|change| {
                let mut exchange = sample();
                change(&mut exchange);
                exchange
            })
            .collect();
        for word in ["", "x"] {
            all.push(Exchange {
                address: text(word),
                ..sample()
            });
            all.push(Exchange {
                peer: text(word),
                ..sample()
            });
            all.push(Exchange {
                creditor: text(word),
                ..sample()
            });
            all.push(Exchange {
                notice: text(word),
                ..sample()
            });
            all.push(Exchange {
                iuv: text(word),
                ..sample()
            });
            all.push(Exchange {
                reference: text(word),
                ..sample()
            });
            all.push(Exchange {
                request: paper("d", word),
                ..sample()
            });
            all.push(Exchange {
                request: paper(word, "d"),
                ..sample()
            });
            all.push(Exchange {
                reply: paper("d", word),
                ..sample()
            });
        }
        let mut hashes: Vec<String> = all.iter().map(|e| exchange("c", 1, 0, e)).collect();
        for (chain, block, place) in [("d", 1, 0), ("c", 2, 0), ("c", 1, 1)] {
            hashes.push(exchange(chain, block, place, &sample()));
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn lists_do_not_run_together() {
        assert_ne!(exchanges(["ab"]), exchanges(["a", "b"]));
        assert_ne!(exchanges([]), links(&[]));
    }
}
