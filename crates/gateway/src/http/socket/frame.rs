//! Frames of RFC 6455, section 5: those of the server are written, those of clients are read. It
//! never waits for anything and never keeps a payload larger than 125 bytes.
//!
//! ```text
//! byte 0   FIN (1 bit), reserved (3, all 0), opcode (4)
//! byte 1   masked (1 bit), length (7): itself up to 125, 126 = u16 follows, 127 = u64 follows
//!          length in network byte order, then a mask of 4 bytes if masked, then the payload
//! ```
//!
//! A server masks nothing and a client everything; control frames are never in parts.

use bytes::Bytes;

/// Largest payload of a control frame.
pub(in crate::http) const CONTROL_BYTES_MAX: usize = 125;
/// Largest frame that is read: head, mask and payload of a control frame.
const FRAME_BYTES_MAX: usize = 2 + 4 + CONTROL_BYTES_MAX;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Why a connection is closed, as the wire says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum CloseCode {
    /// All is said.
    Normal,
    /// One side goes away.
    Away,
    /// The other side broke the protocol.
    Protocol,
    /// A message of a kind that is not taken.
    Unsupported,
    /// What stands against going on is not the client's.
    Broken,
    /// The client may come again.
    Again,
}

impl CloseCode {
    const fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Away => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::Broken => 1011,
            Self::Again => 1013,
        }
    }
}

/// Appends a text message, whose payload are these parts.
pub(in crate::http) fn text(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum();
    head(out, TEXT, length);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A close with its reason, which is cut where it is too long.
pub(in crate::http) fn close(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut most = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(most) {
        most -= 1;
    }
    let reason = reason.as_bytes().get(..most).unwrap_or_default();
    let mut out = Vec::new();
    head(&mut out, CLOSE, most + 2);
    out.extend_from_slice(&code.number().to_be_bytes());
    out.extend_from_slice(reason);
    out
}

/// A question whether the client is there.
pub(super) fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, PING, 0);
    out
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, PONG, payload.len());
    out.extend_from_slice(payload);
    out
}

fn head(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(FIN | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            let long = u64::try_from(length).unwrap_or(u64::MAX);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
}

/// Of frames that the server wrote, where the first one ends at or behind `from`. A close may stand
/// there and nowhere else.
pub(super) fn boundary(frames: &Bytes, from: usize) -> usize {
    let mut end = 0;
    while end < from && end < frames.len() {
        let byte = |at: usize| frames.get(end + at).copied().unwrap_or_default();
        let number = |bytes: std::ops::Range<usize>| {
            bytes.fold(0_usize, |all, at| (all << 8) | usize::from(byte(at)))
        };
        end += match byte(1) {
            126 => 4 + number(2..4),
            127 => 10 + number(2..10),
            short => 2 + usize::from(short),
        };
    }
    end.min(frames.len())
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It asks whether the server is there; to be answered with the same bytes.
    Ping(Vec<u8>),
    /// It is there.
    Pong,
    /// It wishes to end.
    Close,
}

/// What a client may not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no frame of a client.
    Protocol,
    /// It is a message.
    Message,
}

/// Frames of a client out of bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Reader {
    held: Vec<u8>,
}

impl Reader {
    /// Takes bytes; each next frame is given by `next`. At most a read's bytes are held.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When what comes is not to be read, which is known from its head.
    pub(super) fn next(&mut self) -> Result<Option<Said>, Unfit> {
        let [first, second, ..] = *self.held.as_slice() else {
            return Ok(None);
        };
        let is_masked = second & MASKED != 0;
        let length = usize::from(second & !MASKED);
        match first & 0x0f {
            _ if first & 0x70 != 0 || !is_masked => return Err(Unfit::Protocol),
            CLOSE | PING | PONG if first & FIN != 0 && length <= CONTROL_BYTES_MAX => {}
            0..=2 => return Err(Unfit::Message),
            _ => return Err(Unfit::Protocol),
        }
        let end = 6 + length;
        debug_assert!(end <= FRAME_BYTES_MAX, "control frames are short");
        if self.held.len() < end {
            return Ok(None);
        }
        let frame: Vec<u8> = self.held.drain(..end).collect();
        let (mask, masked) = frame.split_at(6);
        let mask = mask.get(2..).unwrap_or_default();
        let payload = masked.iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = payload.map(|(byte, mask)| byte ^ mask).collect();
        match first & 0x0f {
            PING => Ok(Some(Said::Ping(payload))),
            PONG => Ok(Some(Said::Pong)),
            _ if is_close(&payload) => Ok(Some(Said::Close)),
            _ => Err(Unfit::Protocol),
        }
    }
}

/// Whether that may stand in a close: nothing, or a number that is for the wire and words in UTF-8.
fn is_close(payload: &[u8]) -> bool {
    let Some((number, reason)) = payload.split_first_chunk::<2>() else {
        return payload.is_empty();
    };
    let is_number = matches!(
        u16::from_be_bytes(*number),
        1000..=1003 | 1007..=1014 | 3000..=4999
    );
    is_number && std::str::from_utf8(reason).is_ok()
}
