//! The conversation (RFC 5321): as much of it as a client of today uses, in the clear.

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Mode;
use crate::town::Shared;

/// Largest message.
const MESSAGE_MAX: usize = 16 << 20;
/// Longest line of a command.
const LINE_MAX: u64 = 2_048;
/// Most recipients of one message.
const RECIPIENTS_MAX: usize = 100;
/// A client that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(300);

/// Takes mail until the world stops.
pub(crate) async fn serve(town: Shared, listener: TcpListener, mut stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            // An error means that the sender is gone, which is a reason to stop as well.
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection of the mail server failed");
                continue;
            }
        };
        let (town, mut stopped) = (town.clone(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = stopped.changed() => {}
                ended = timeout(PATIENCE, talk(&town, stream)) => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a mail client has gone"),
                    Err(_) => tracing::debug!("a mail client said nothing for too long"),
                },
            }
        });
    }
}

/// What the client has said of the message so far.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
    /// What this delivery meets, drawn when it begins.
    mode: Mode,
}

async fn talk(town: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let (read, mut out) = stream.split();
    let mut read = BufReader::new(read);
    if is_down(town).await {
        return Ok(());
    }
    say(&mut out, "220 mail.example ESMTP mondo simulato").await?;
    let mut envelope = Envelope::default();
    while let Some(line) = line(&mut read).await? {
        let word = line.split([' ', ':']).next().unwrap_or_default();
        let answer = match word.to_ascii_uppercase().as_str() {
            "EHLO" => {
                "250-mail.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 16777216"
            }
            "HELO" => "250 mail.example",
            "AUTH" => "235 2.7.0 ok",
            "NOOP" => "250 2.0.0 ok",
            "RSET" => {
                envelope = Envelope::default();
                "250 2.0.0 ok"
            }
            "MAIL" => match address(&line) {
                Some(sender) => {
                    envelope = Envelope {
                        sender: Some(sender),
                        recipients: vec![],
                        mode: town.next_mail_trouble().await,
                    };
                    if envelope.mode == Mode::Down {
                        return Ok(());
                    }
                    "250 2.1.0 ok"
                }
                None => "501 5.1.7 which sender?",
            },
            "RCPT" => recipient(&mut envelope, &line),
            "DATA" if envelope.recipients.is_empty() => "503 5.5.1 to whom?",
            "DATA" => {
                say(&mut out, "354 go on, and end with a dot").await?;
                let Some(raw) = message(&mut read).await? else {
                    say(&mut out, "552 5.3.4 too large").await?;
                    return Ok(());
                };
                let sender = envelope.sender.take().unwrap_or_default();
                let received_at = town.clock.now().to_string();
                let mut is_kept = true;
                for recipient in &envelope.recipients {
                    let kept = town
                        .database
                        .keep_mail(&sender, recipient, &raw, &received_at);
                    if let Err(error) = kept.await {
                        tracing::error!(%error, "a mail could not be kept");
                        is_kept = false;
                    }
                }
                if envelope.mode == Mode::Lost {
                    return Ok(());
                }
                envelope = Envelope::default();
                if is_kept {
                    "250 2.0.0 kept"
                } else {
                    "451 4.3.0 not kept"
                }
            }
            "QUIT" => {
                say(&mut out, "221 2.0.0 bye").await?;
                return Ok(());
            }
            _ => "502 5.5.1 unknown",
        };
        say(&mut out, answer).await?;
    }
    Ok(())
}

/// Whether the server is down for good. When only so many deliveries fail, they do so later, where
/// they can be counted.
async fn is_down(town: &Shared) -> bool {
    let trouble: Option<super::Trouble> = town
        .database
        .setting(super::SETTING)
        .await
        .unwrap_or_default();
    trouble.is_some_and(|trouble| trouble.mode == Mode::Down && trouble.times.is_none())
}

fn recipient(envelope: &mut Envelope, line: &str) -> &'static str {
    match (envelope.mode, address(line)) {
        _ if envelope.sender.is_none() => "503 5.5.1 from whom?",
        (Mode::Busy, _) => "451 4.3.2 come back later",
        (Mode::Refuse, _) => "550 5.1.1 nobody of that name",
        (_, None) => "501 5.1.3 which recipient?",
        _ if envelope.recipients.len() >= RECIPIENTS_MAX => "452 4.5.3 too many",
        (_, Some(recipient)) => {
            envelope.recipients.push(recipient);
            "250 2.1.5 ok"
        }
    }
}

/// The address between the angle brackets of a command.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some(address.to_owned())
}

async fn say(out: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).await?;
    out.write_all(b"\r\n").await?;
    out.flush().await
}

/// A line without its end; nothing at the end of the connection.
async fn line(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = vec![];
    let got = (&mut *read)
        .take(LINE_MAX)
        .read_until(b'\n', &mut bytes)
        .await?;
    Ok((got > 0).then(|| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// The message up to the lonely dot, with doubled dots undone; nothing when it is too large.
async fn message(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut message = vec![];
    loop {
        let mut line = vec![];
        let limit = u64::try_from(MESSAGE_MAX).unwrap_or(u64::MAX);
        if (&mut *read)
            .take(limit)
            .read_until(b'\n', &mut line)
            .await?
            == 0
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" || line == b".\n" {
            return Ok(Some(message));
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if message.len() > MESSAGE_MAX {
            return Ok(None);
        }
    }
}
