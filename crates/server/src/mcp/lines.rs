//! Lines that are no messages at all: the protocol's library drops them, and its peer would wait for ever.

use futures_util::StreamExt as _;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

/// The longest line, in bytes. Entries have a megabyte at the most, and JSON may need six bytes for one of theirs.
const MAX_LINE: usize = 8 << 20;
const BUFFER: usize = 64 << 10;
/// Answers to lines that are none; a peer that reads none of them is not read from either.
const MAX_ANSWERS: usize = 16;

const NO_JSON: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a line is not JSON"}}"#;
const TOO_LONG: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a line is longer than 8 MiB"}}"#;

/// Hands on what is JSON in both directions, a line at a time, and answers itself what is not. Ends when both sides do.
pub(super) fn checked(
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> (DuplexStream, DuplexStream, JoinHandle<()>) {
    let (requests, requests_in) = duplex(BUFFER);
    let (answers_out, answers) = duplex(BUFFER);
    let (tell, told) = mpsc::channel(MAX_ANSWERS);
    tokio::spawn(read(input, requests, tell));
    let writing = tokio::spawn(write(answers, told, output));
    (requests_in, answers_out, writing)
}

async fn read(input: impl AsyncRead + Unpin, mut requests: DuplexStream, tell: mpsc::Sender<&'static str>) {
    let mut lines = FramedRead::new(input, LinesCodec::new_with_max_length(MAX_LINE));
    let mut resumes = false;
    loop {
        let wrong = match lines.next().await {
            Some(Ok(line)) if line.trim().is_empty() => continue,
            Some(Ok(line)) if serde_json::from_str::<&RawValue>(&line).is_ok() => {
                if requests.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            Some(Ok(_)) => NO_JSON,
            Some(Err(error)) => {
                // After an error the stream ends once, and goes on after that.
                resumes = true;
                match error {
                    LinesCodecError::MaxLineLengthExceeded => TOO_LONG,
                    LinesCodecError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => NO_JSON,
                    LinesCodecError::Io(_) => return,
                }
            }
            None if resumes => {
                resumes = false;
                continue;
            }
            None => return,
        };
        if tell.send(wrong).await.is_err() {
            return;
        }
    }
}

async fn write(
    answers: DuplexStream,
    mut told: mpsc::Receiver<&'static str>,
    mut output: impl AsyncWrite + Unpin,
) {
    let mut lines = FramedRead::new(answers, LinesCodec::new());
    loop {
        let line = tokio::select! {
            line = lines.next() => match line {
                Some(Ok(line)) => line,
                _ => return,
            },
            Some(wrong) = told.recv() => wrong.to_owned(),
        };
        if output.write_all(format!("{line}\n").as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
