//! PagoMensa: the payment gateway between the rails that bring money for school meals and the meal
//! ledger that keeps the children's balances.
//!
//! # The map
//!
//! Read it from the bottom of the list: the centre comes last.
//!
//! * [`cli`] and `main`: the operator's verbs, among them `serve` and `demo`.
//! * [`app`]: builds everything and is the only place where all parts meet.
//! * [`channel`]: the rails, one folder each. [`channel::node`] is the door of the pagoPA node,
//!   [`channel::aca`] feeds its archive of notices, [`channel::checkout`] sends payers to its payment
//!   page, [`channel::receipts`] looks for receipts that
//!   have not come, [`channel::fdr`] reads the file of a reporting flow, so far for `qualify` alone.
//! * [`web`]: the REST API for the portals, the pages for parents, the documentation, the health checks,
//!   the metrics.
//! * [`ledger`]: brings what is owed to the meal ledger, again and again until it has it.
//! * [`mail`]: brings mails to the mail server.
//! * [`webhooks`]: calls the portals when something has happened.
//! * [`platform`]: pagoPA's REST services: one way to call them, at their pace.
//! * [`job`]: runs what must be done although nobody is asking.
//! * [`desk`]: the only place where money moves: reads, asks the domain, writes, commits.
//! * [`store`]: the only place with SQL, one text for SQLite and PostgreSQL.
//! * [`wire`]: codecs without business: XML, SOAP, fingerprints.
//! * [`domain`]: the pure centre: what a debt and a payment are, and every decision about them.
//! * [`config`], [`clock`], [`log`], [`metrics`], [`point`]: settings; time and chance; the log; what is
//!   counted; where a test may end the process.
//!
//! # Who may import whom
//!
//! `main → cli → app → { channel, ledger, mail, webhooks, web, job } → desk → { store, wire } →
//! domain`; the rails
//! that call pagoPA's services stand on `platform`, which stands on the desk. Whoever stands on the
//! left may use whatever stands further right, never the other way round; a rail never imports
//! another rail or `web`. [`config`], [`clock`], [`log`], [`metrics`] and [`point`] may be held by
//! everybody above the domain. `tests/house.rs` guards this.
//!
//! # One payment
//!
//! The portal opens a debt ([`desk::debts`]); the node asks what is due, and nothing is written
//! ([`channel::node`]); the receipt comes, and in one transaction the message, the payment, the
//! paid debt and the entry owed to the ledger are written ([`desk::collect`]); the ledger is told
//! until it has it ([`ledger`]). `docs/architecture.md` walks the same way with the tables.
//!
//! # Glossary
//!
//! | Italian, pagoPA | here |
//! |---|---|
//! | posizione debitoria | debt |
//! | avviso (di pagamento), numero avviso, NAV | notice, notice number |
//! | identificativo univoco di versamento, IUV | IUV |
//! | ente creditore, EC | creditor |
//! | intermediario, stazione | broker, station |
//! | nodo dei pagamenti | node |
//! | ricevuta telematica, RT | receipt |
//! | versamento (in favour of one account) | transfer |
//! | prestatore di servizi di pagamento, PSP | PSP |
//! | flusso di rendicontazione, FdR | reporting flow |
//! | giornale di cassa, sospeso di entrata | treasurer's journal, pending credit |
//! | mandato SDD | mandate |
//! | codice fiscale | fiscal code |
//! | registro dei pasti, saldo | meal ledger, balance |
//! | ricarica, servizio (mensa, refezione) | top-up, service |
//! | giornale degli eventi | journal of exchanges |

pub mod app;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod domain;
pub mod job;
pub mod ledger;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod platform;
pub mod point;
pub mod store;
pub mod web;
pub mod webhooks;
pub mod wire;
