//! Who is connected, and who makes room for whom.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::config::Network;
use crate::metrics::Metrics;

/// A connection that was answered within so many microseconds is not closed to make room: the
/// answer may still be on its way.
const RECENT: i64 = 1_000_000;
/// How many connections there may be.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Bounds {
    /// The listener, for the metrics.
    pub listener: &'static str,
    /// In all.
    pub all: usize,
    /// Of one address.
    pub per_address: usize,
    /// Addresses that speak for many, and are not counted apart. This machine's never are.
    pub shared: Vec<Network>,
}

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Hall {
    bounds: Bounds,
    metrics: Metrics,
    since: Stopwatch,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// Whether it was said that there is no room: once, and not for each connection.
    is_full: bool,
}

#[derive(Debug)]
struct Taken {
    /// Nothing for an address that is not counted apart.
    address: Option<IpAddr>,
    use_of: Arc<Use>,
    /// Tells the connection to go.
    close: oneshot::Sender<()>,
}

/// What a connection is doing.
#[derive(Debug, Default)]
struct Use {
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Requests that were answered.
    answered: AtomicUsize,
    /// When the last one was, or when the connection was made, on the hall's stopwatch.
    last: AtomicI64,
}

/// There is no room, and none can be made.
#[derive(Debug, thiserror::Error)]
#[error("too many connections")]
pub(super) struct Full;

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    hall: Arc<Hall>,
    use_of: Arc<Use>,
}

impl Hall {
    /// Nobody is in it.
    pub(super) fn new(bounds: Bounds, metrics: Metrics) -> Arc<Hall> {
        Arc::new(Hall {
            bounds,
            metrics,
            since: Stopwatch::start(),
            seats: Mutex::default(),
        })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Nobody panics while holding it.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of this address, and what tells it to go.
    ///
    /// # Errors
    /// [`Full`]: all are being answered, in all or of this address.
    pub(super) fn seat(
        self: &Arc<Hall>,
        address: Option<IpAddr>,
    ) -> Result<(Seat, oneshot::Receiver<()>), Full> {
        let address = address.and_then(|address| self.counted(address));
        let now = self.since.micros();
        let mut seats = self.seats();
        let of_address = |taken: &Taken| address.is_some() && taken.address == address;
        if seats.taken.values().filter(|t| of_address(t)).count() >= self.bounds.per_address {
            self.metrics.turned_away(self.bounds.listener, "address");
            seats.make_room(now, of_address).ok_or(Full)?;
        }
        if seats.taken.len() >= self.bounds.all {
            self.metrics.turned_away(self.bounds.listener, "all");
            seats.make_room(now, |_| true).ok_or(Full)?;
            if !std::mem::replace(&mut seats.is_full, true) {
                tracing::warn!(
                    connections = self.bounds.all,
                    listener = self.bounds.listener,
                    "idle connections are being closed: there are too many"
                );
            }
        } else {
            seats.is_full = false;
        }
        let (close, closed) = oneshot::channel();
        let use_of = Arc::new(Use {
            last: AtomicI64::new(now),
            ..Use::default()
        });
        let number = seats.next;
        seats.next += 1;
        let taken = Taken {
            address,
            use_of: use_of.clone(),
            close,
        };
        seats.taken.insert(number, taken);
        let seat = Seat {
            number,
            hall: self.clone(),
            use_of,
        };
        Ok((seat, closed))
    }

    /// The address as it is counted; a household or server has a whole IPv6 network of 64 bits.
    fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let is_shared = self.bounds.shared.iter().any(|n| n.contains(address));
        if is_shared || address.is_loopback() {
            return None;
        }
        Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(long) => {
                let network = u128::from(long) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

impl Seats {
    /// Closes the connection that has been of no use for the longest time.
    fn make_room(&mut self, now: i64, among: impl Fn(&Taken) -> bool) -> Option<()> {
        let idle = self.taken.iter().filter(|(_, taken)| among(taken));
        let (number, _) = idle
            .filter_map(|(number, taken)| Some((*number, taken.use_of.idle_since(now)?)))
            .min_by_key(|(number, since)| (*since, *number))?;
        let gone = self.taken.remove(&number)?;
        // One that has ended by itself meanwhile does not listen any more.
        let _ = gone.close.send(());
        Some(())
    }
}

impl Use {
    /// Since when the connection has asked for nothing; nothing while it is being answered.
    fn idle_since(&self, now: i64) -> Option<i64> {
        let last = self.last.load(Ordering::SeqCst);
        let is_answered = self.requests.load(Ordering::SeqCst) == 0;
        let is_quiet = self.answered.load(Ordering::SeqCst) == 0 || last + RECENT <= now;
        (is_answered && is_quiet).then_some(last)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hall.seats().taken.remove(&self.number);
    }
}

/// A request that is being answered, until it is dropped.
pub(super) struct Answering(Arc<Seat>);

impl Answering {
    pub(super) fn begin(seat: Arc<Seat>) -> Answering {
        seat.use_of.requests.fetch_add(1, Ordering::SeqCst);
        Answering(seat)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let use_of = &self.0.use_of;
        let now = self.0.hall.since.micros();
        use_of.last.store(now, Ordering::SeqCst);
        use_of.answered.fetch_add(1, Ordering::SeqCst);
        use_of.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hall(all: usize, per_address: usize) -> Arc<Hall> {
        let bounds = Bounds {
            listener: "node",
            all,
            per_address,
            shared: vec!["10.0.0.9".parse().unwrap()],
        };
        Hall::new(bounds, Metrics::new().unwrap())
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn is_closed(closed: &mut oneshot::Receiver<()>) -> bool {
        closed.try_recv().is_ok()
    }

    #[test]
    fn the_oldest_idle_connection_makes_room_and_a_busy_one_never() {
        let hall = hall(3, 3);
        let (busy, mut one) = hall.seat(ip("10.0.0.1")).unwrap();
        let (_idle, mut two) = hall.seat(ip("10.0.0.2")).unwrap();
        let busy = Arc::new(busy);
        let answering = Answering::begin(busy.clone());
        let (_third, mut three) = hall.seat(ip("10.0.0.3")).unwrap();
        let _fourth = hall.seat(ip("10.0.0.4")).unwrap();
        assert!(!is_closed(&mut one) && is_closed(&mut two) && !is_closed(&mut three));
        drop(answering);
        let _fifth = hall.seat(ip("10.0.0.5")).unwrap();
        assert!(
            !is_closed(&mut one) && is_closed(&mut three),
            "it was just answered"
        );
    }

    #[test]
    fn when_all_are_being_answered_the_newest_is_turned_away() {
        let hall = hall(2, 2);
        let answering: Vec<_> = [ip("10.0.0.1"), ip("10.0.0.2")]
            .map(|address| hall.seat(address).unwrap())
            .into_iter()
            .map(|(seat, closed)| (Answering::begin(Arc::new(seat)), closed))
            .collect();
        assert!(hall.seat(ip("10.0.0.3")).is_err());
        drop(answering);
        assert!(hall.seat(ip("10.0.0.3")).is_ok());
    }

    #[test]
    fn an_address_makes_room_among_its_own() {
        let hall = hall(100, 2);
        let (_node, mut node) = hall.seat(ip("10.0.0.1")).unwrap();
        let mut crowd: Vec<_> = (0..50)
            .map(|_| hall.seat(ip("::ffff:10.0.0.2")).unwrap())
            .collect();
        let open = crowd
            .iter_mut()
            .filter_map(|(_, c)| (!is_closed(c)).then_some(()));
        assert_eq!(open.count(), 2);
        assert!(!is_closed(&mut node));
        // A network of 64 bits counts as one; this machine and the proxy are not counted apart.
        for (address, expected) in [
            (["2001:db8::1", "2001:db8::2", "2001:db8::3"], 2),
            (["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"], 3),
            (["127.0.0.1", "127.0.0.1", "127.0.0.1"], 3),
            (["10.0.0.9", "10.0.0.9", "10.0.0.9"], 3),
        ] {
            let mut seats = address.map(|address| hall.seat(ip(address)).unwrap());
            let open = seats
                .iter_mut()
                .filter_map(|(_, c)| (!is_closed(c)).then_some(()));
            assert_eq!(open.count(), expected, "{address:?}");
        }
    }

    #[test]
    fn a_place_is_given_back() {
        let hall = hall(1, 1);
        for _ in 0..3 {
            let seat = hall.seat(ip("10.0.0.1")).unwrap();
            let answering = Answering::begin(Arc::new(seat.0));
            assert!(hall.seat(ip("10.0.0.2")).is_err());
            drop(answering);
        }
        assert!(hall.seats().taken.is_empty());
    }
}
