//! Values from text: cells of CSV, and JSON strings that spell a number, a time or bytes.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use mainstem_kernel::{Code, ColumnType};

use super::{At, Column, Data, Texts};
use crate::decode::{
    number::Number,
    scan::Scan,
    time,
    wrong::{Read, Wrong},
};

/// Base64 as RFC 4648 has it; the padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Column {
    /// Takes the cell of a CSV row. Empty is NULL.
    pub(crate) fn cell(&mut self, cell: &[u8], row: usize) -> Read<()> {
        self.begin(row)?;
        if cell.is_empty() {
            if self.required {
                return Err(Wrong::missing(&self.name));
            }
            self.pad(row + 1);
            return Ok(());
        }
        self.data
            .cell(cell, &self.ty, row)
            .map_err(|wrong| wrong.in_column(&self.name))?;
        self.end();
        Ok(())
    }

    /// Writes a piece of the text of row `row`, which `finish_text` will end.
    pub(crate) fn write_text(&mut self, piece: &[u8], row: usize) -> Read<()> {
        self.begin(row)?;
        if let Data::Text(texts) | Data::Json(texts) = &mut self.data {
            texts.bytes.extend_from_slice(piece);
        }
        Ok(())
    }

    /// Ends what `write_text` wrote.
    pub(crate) fn finish_text(&mut self) {
        if let Data::Text(texts) | Data::Json(texts) = &mut self.data {
            texts.end();
            self.end();
        }
    }
}

impl Data {
    /// Takes a cell that is not empty.
    fn cell(&mut self, cell: &[u8], ty: &ColumnType, row: usize) -> Read<()> {
        let fail = || Wrong::mismatch(ty, &format!("\"{}\"", String::from_utf8_lossy(cell)));
        match self {
            Self::Boolean(bits) => bits.append(boolean(cell).ok_or_else(fail)?),
            Self::List { .. } | Self::Row(_) => {
                let mut scan = Scan::new(cell, 0);
                self.nested(&mut scan, ty, At { row, depth: 1 })?;
                if !scan.is_end() {
                    return Err(scan.wrong("the end"));
                }
            }
            Self::Text(texts) => {
                texts.bytes.extend_from_slice(cell);
                texts.end();
            }
            Self::Json(texts) => {
                let mut scan = Scan::new(cell, 0);
                scan.blank();
                let value = scan.value(1)?;
                scan.blank();
                if !scan.is_end() {
                    return Err(scan.wrong("the end"));
                }
                texts.bytes.extend_from_slice(value);
                texts.end();
            }
            Self::Small(_) | Self::Int(_) | Self::Big(_) | Self::Numeric { .. } | Self::Real(_) => {
                let number = Number::parse(cell);
                return match number {
                    Some(number) => self.number(number, ty),
                    None => self.spelled(cell).ok_or_else(fail),
                };
            }
            Self::Double(_) => {
                return match Number::parse(cell) {
                    Some(number) => self.number(number, ty),
                    None => self.spelled(cell).ok_or_else(fail),
                };
            }
            Self::Date(_) | Self::Time { .. } | Self::Uuid(_) | Self::Bytea(_) => {
                return self.string(cell, ty);
            }
        }
        Ok(())
    }

    /// Takes a text that spells a value of a type whose values are no texts.
    #[inline(always)]
    pub(super) fn string(&mut self, text: &[u8], ty: &ColumnType) -> Read<()> {
        let fail = || Wrong::mismatch(ty, &format!("\"{}\"", String::from_utf8_lossy(text)));
        match self {
            Self::Time { values, latest } => {
                let micros = time::micros(text)?;
                if micros > *latest {
                    return Err(ahead(text, *latest));
                }
                values.push(micros);
            }
            Self::Date(values) => values.push(time::day(text)?),
            Self::Uuid(texts) => uuid(text, texts).ok_or_else(fail)?,
            Self::Bytea(texts) => {
                BASE64
                    .decode_vec(text, &mut texts.bytes)
                    .map_err(|_source| {
                        Wrong::value("BYTEA as base64", &String::from_utf8_lossy(text))
                    })?;
                texts.end();
            }
            Self::Big(_) | Self::Numeric { .. } => {
                let number = Number::parse(text).ok_or_else(fail)?;
                self.number(number, ty)?;
            }
            Self::Real(_) | Self::Double(_) => self.spelled(text).ok_or_else(fail)?,
            _ => return Err(fail()),
        }
        Ok(())
    }

    /// Takes a number.
    #[inline(always)]
    pub(super) fn number(&mut self, number: Number<'_>, ty: &ColumnType) -> Read<()> {
        let fail = || Wrong::mismatch(ty, &String::from_utf8_lossy(number.text));
        match self {
            Self::Small(values) => {
                values.push(
                    number
                        .to_i64()
                        .and_then(|v| v.try_into().ok())
                        .ok_or_else(fail)?,
                );
            }
            Self::Int(values) => {
                values.push(
                    number
                        .to_i64()
                        .and_then(|v| v.try_into().ok())
                        .ok_or_else(fail)?,
                );
            }
            Self::Big(values) => values.push(number.to_i64().ok_or_else(fail)?),
            Self::Real(values) => values.push(number.to_f32().ok_or_else(fail)?),
            Self::Double(values) => values.push(number.to_f64().ok_or_else(fail)?),
            Self::Numeric {
                values,
                precision,
                scale,
            } => {
                let value = number.to_scaled(i32::from(*scale)).ok_or_else(fail)?;
                if value.unsigned_abs() >= 10_u128.pow(u32::from(*precision)) {
                    return Err(fail());
                }
                values.push(value);
            }
            _ => return Err(fail()),
        }
        Ok(())
    }

    /// Takes what a float has no digits for, as PostgreSQL spells it.
    fn spelled(&mut self, text: &[u8]) -> Option<()> {
        let value = match text {
            b"NaN" => f64::NAN,
            b"Infinity" => f64::INFINITY,
            b"-Infinity" => f64::NEG_INFINITY,
            _ => return None,
        };
        match self {
            Self::Double(values) => values.push(value),
            #[expect(clippy::cast_possible_truncation, reason = "NaN and infinities keep")]
            Self::Real(values) => values.push(value as f32),
            _ => return None,
        }
        Some(())
    }
}

/// A time too far ahead of its arrival.
#[cold]
fn ahead(text: &[u8], latest: i64) -> Box<Wrong> {
    let latest = mainstem_kernel::Timestamp(latest);
    let found = String::from_utf8_lossy(text);
    Wrong::new(
        Code::Admit023,
        format!("expected an event time up to {latest}, found {found}"),
    )
}

fn boolean(cell: &[u8]) -> Option<bool> {
    let is = |word: &str| cell.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("true") || is("t") => Some(true),
        () if is("false") || is("f") => Some(false),
        () => None,
    }
}

/// Writes a UUID in its canonical form: lower case, with hyphens after 8, 12, 16 and 20 digits.
/// Hyphens may be missing, and braces are taken off.
fn uuid(text: &[u8], texts: &mut Texts) -> Option<()> {
    let text = text
        .strip_prefix(b"{")
        .and_then(|t| t.strip_suffix(b"}"))
        .unwrap_or(text);
    let hyphens = match text.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut digits = 0;
    for (at, byte) in text.iter().enumerate() {
        if hyphens && matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        if !byte.is_ascii_hexdigit() {
            return None;
        }
        if matches!(digits, 8 | 12 | 16 | 20) {
            texts.bytes.push(b'-');
        }
        texts.bytes.push(byte.to_ascii_lowercase());
        digits += 1;
    }
    texts.end();
    Some(())
}
