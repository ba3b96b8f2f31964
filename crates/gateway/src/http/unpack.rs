//! Decompresses bodies: bounded in size, ratio and memory, whatever the bytes say.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use mainstem_kernel::ByteSize;

use super::{body::Held, call::shorten, errors::HttpError};

/// Below this size a body is no bomb, whatever its ratio.
const RATIO_FREE: ByteSize = ByteSize::mib(1);
/// zstd may ask for a window of 2 to this power: 8 MiB, what every encoder stays below unless
/// it is told otherwise. RFC 8878, section 3.1.1.1.2, recommends the same.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Decompressed bytes between two looks at the limits.
const STEP: usize = 256 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
}

/// How large a body may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest size.
    pub(crate) size: ByteSize,
    /// Largest ratio, from 1 MiB on.
    pub(crate) ratio: u64,
}

impl Encoding {
    /// What the header says.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Ok(Self::Identity);
        };
        let word = value.as_bytes().trim_ascii().to_ascii_lowercase();
        match word.as_slice() {
            _ if values.next().is_some() => {}
            b"identity" => return Ok(Self::Identity),
            b"gzip" | b"x-gzip" => return Ok(Self::Gzip),
            b"zstd" => return Ok(Self::Zstd),
            _ => {}
        }
        let found = shorten(&String::from_utf8_lossy(value.as_bytes()));
        Err(HttpError::ContentEncoding { found })
    }
}

/// Decompresses a body. Takes about 3 ms per MiB: not for a thread that serves others.
///
/// # Errors
/// Too large, a bomb, damaged, or no memory is left for it.
pub(crate) fn unpack(
    encoding: Encoding,
    packed: &Bytes,
    limits: Limits,
    held: &mut Held,
) -> Result<Bytes, HttpError> {
    let damaged = |encoding| move |source| HttpError::Compressed { encoding, source };
    match encoding {
        Encoding::Identity => Ok(packed.clone()),
        Encoding::Gzip => {
            let reader = MultiGzDecoder::new(packed.as_ref());
            read_bounded(reader, packed.len(), limits, held)?.map_err(damaged("gzip"))
        }
        Encoding::Zstd => {
            let reader = zstd::stream::read::Decoder::with_buffer(packed.as_ref());
            let reader = reader.and_then(|mut reader| {
                reader.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Ok(reader)
            });
            let reader = reader.map_err(damaged("zstd"))?;
            read_bounded(reader, packed.len(), limits, held)?.map_err(damaged("zstd"))
        }
    }
}

/// Reads to the end, looking at the limits now and then. The inner error is the reader's.
fn read_bounded(
    mut reader: impl Read,
    packed: usize,
    limits: Limits,
    held: &mut Held,
) -> Result<io::Result<Bytes>, HttpError> {
    let packed_size = ByteSize::from(packed);
    let most = packed_size.0.saturating_mul(limits.ratio).max(RATIO_FREE.0);
    let mut whole = Vec::with_capacity(packed.saturating_mul(4).clamp(1 << 10, STEP));
    loop {
        let size = ByteSize::from(whole.len());
        if size > limits.size {
            return Err(HttpError::BodyTooLarge { limit: limits.size });
        }
        if size.0 > most {
            return Err(HttpError::Bomb {
                ratio: limits.ratio,
            });
        }
        held.grow_to(packed.saturating_add(whole.len()))?;
        let step = u64::try_from(STEP).unwrap_or(u64::MAX);
        match reader.by_ref().take(step).read_to_end(&mut whole) {
            Ok(0) => return Ok(Ok(Bytes::from(whole))),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use flate2::{Compression, write::GzEncoder};

    use super::{super::body::Budget, *};

    const LIMITS: Limits = Limits {
        size: ByteSize::mib(4),
        ratio: 10,
    };

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zstd(bytes: &[u8]) -> Bytes {
        zstd::encode_all(bytes, 1).unwrap().into()
    }

    fn check(encoding: Encoding, packed: &Bytes) -> Result<Bytes, HttpError> {
        let budget = Arc::new(Budget::new(ByteSize::mib(64)));
        unpack(encoding, packed, LIMITS, &mut Held::none(&budget))
    }

    #[test]
    fn bodies_come_back_whole_also_in_several_members() {
        let text = b"{\"a\":1}\n".repeat(1000);
        let twice = [text.clone(), text.clone()].concat();
        for (encoding, packed) in [(Encoding::Gzip, gzip(&text)), (Encoding::Zstd, zstd(&text))] {
            assert_eq!(check(encoding, &packed).unwrap(), text);
            let members: Bytes = [packed.clone(), packed].concat().into();
            assert_eq!(check(encoding, &members).unwrap(), twice);
        }
    }

    #[test]
    fn bombs_are_refused_before_they_are_large() {
        let zeros = vec![0; 3 << 20];
        let many = vec![0; 64 << 20];
        for (encoding, pack) in [
            (Encoding::Gzip, gzip as fn(&[u8]) -> Bytes),
            (Encoding::Zstd, zstd),
        ] {
            let refused = check(encoding, &pack(&zeros));
            assert!(
                matches!(refused, Err(HttpError::Bomb { ratio: 10 })),
                "{refused:?}"
            );
            let refused = check(encoding, &pack(&many));
            let is_refused = matches!(
                refused,
                Err(HttpError::Bomb { .. } | HttpError::BodyTooLarge { .. })
            );
            assert!(is_refused, "{refused:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_though_its_ratio_is_fine() {
        // Bytes that hardly compress: a linear congruential generator (Knuth, MMIX).
        let mut state: u64 = 7;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(5 << 20)
        .collect();
        for (encoding, packed) in [
            (Encoding::Gzip, gzip(&noise)),
            (Encoding::Zstd, zstd(&noise)),
        ] {
            let refused = check(encoding, &packed);
            assert!(
                matches!(refused, Err(HttpError::BodyTooLarge { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_damaged() {
        let text = b"some text that is long enough".repeat(9);
        for (encoding, packed) in [(Encoding::Gzip, gzip(&text)), (Encoding::Zstd, zstd(&text))] {
            for end in [1, packed.len() / 2, packed.len() - 1] {
                let refused = check(encoding, &packed.slice(..end));
                assert!(
                    matches!(refused, Err(HttpError::Compressed { .. })),
                    "{refused:?}"
                );
            }
            let refused = check(encoding, &Bytes::from_static(b"{\"a\":1}"));
            assert!(
                matches!(refused, Err(HttpError::Compressed { .. })),
                "{refused:?}"
            );
        }
    }
}
