//! Values from JSON, straight into the column.

use mainstem_kernel::ColumnType;

use super::{Column, Data, index};
use crate::decode::{
    number::Number,
    scan::{Piece, Scan, unescape},
    wrong::{Read, Wrong},
};

/// Where a value goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// Row of the column.
    pub(crate) row: usize,
    /// How many brackets are open.
    pub(crate) depth: usize,
}

impl Column {
    /// Takes the value that `scan` stands on.
    #[inline(always)]
    pub(crate) fn json(&mut self, scan: &mut Scan<'_>, at: At) -> Read<()> {
        self.begin(at.row)?;
        if scan.peek() == b'n' && scan.eat(b"null") {
            if self.required {
                return Err(Wrong::missing(&self.name));
            }
            self.pad(at.row + 1);
            return Ok(());
        }
        if let Err(wrong) = self.data.json(scan, &self.ty, at) {
            return Err(wrong.in_column(&self.name));
        }
        self.end();
        Ok(())
    }

    /// The same, not inlined into itself.
    fn json_nested(&mut self, scan: &mut Scan<'_>, at: At) -> Read<()> {
        self.json(scan, at)
    }
}

impl Data {
    #[inline(always)]
    fn json(&mut self, scan: &mut Scan<'_>, ty: &ColumnType, at: At) -> Read<()> {
        match self {
            Self::Text(texts) => {
                if scan.peek() != b'"' {
                    return Err(other(scan, ty, at.depth));
                }
                scan.skip(1);
                match scan.string()? {
                    Piece::Plain(text) => texts.write(text),
                    Piece::Escaped(text) => unescape(text, &mut texts.bytes),
                }
                texts.end();
                Ok(())
            }
            Self::Boolean(bits) => {
                let value = scan.peek() == b't';
                if !scan.eat(if value { b"true" } else { b"false" }) {
                    return Err(other(scan, ty, at.depth));
                }
                bits.append(value);
                Ok(())
            }
            Self::Json(texts) => {
                let value = scan.value(at.depth)?;
                texts.bytes.extend_from_slice(value);
                texts.end();
                Ok(())
            }
            Self::List { .. } | Self::Row(_) => self.nested(scan, ty, at),
            _ => self.scalar(scan, ty, at),
        }
    }

    /// A number, or a text that spells something.
    #[inline(always)]
    fn scalar(&mut self, scan: &mut Scan<'_>, ty: &ColumnType, at: At) -> Read<()> {
        match scan.peek() {
            b'"' => {
                scan.skip(1);
                match scan.string()? {
                    Piece::Plain(text) => self.string(text, ty),
                    Piece::Escaped(text) => {
                        let mut plain = Vec::with_capacity(text.len());
                        unescape(text, &mut plain);
                        self.string(&plain, ty)
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let number = Number::read(scan)?;
                self.number(number, ty)
            }
            _ => Err(other(scan, ty, at.depth)),
        }
    }

    /// An array or an object.
    pub(super) fn nested(&mut self, scan: &mut Scan<'_>, ty: &ColumnType, at: At) -> Read<()> {
        match self {
            Self::List { offsets, item } if scan.peek() == b'[' => {
                scan.nest(at.depth)?;
                let mut items = item.len;
                if !scan.eat(b"]") {
                    loop {
                        item.json_nested(
                            scan,
                            At {
                                row: items,
                                depth: at.depth + 1,
                            },
                        )?;
                        items += 1;
                        if !scan.more(b']', "',' or ']'")? {
                            break;
                        }
                    }
                }
                offsets.push(index(items));
                Ok(())
            }
            Self::Row(fields) if scan.peek() == b'{' => {
                scan.nest(at.depth)?;
                if scan.eat(b"}") {
                    return Ok(());
                }
                loop {
                    let field = field(fields, scan)?;
                    field.json_nested(
                        scan,
                        At {
                            row: at.row,
                            depth: at.depth + 1,
                        },
                    )?;
                    if !scan.more(b'}', "',' or '}'")? {
                        return Ok(());
                    }
                }
            }
            _ => Err(other(scan, ty, at.depth)),
        }
    }
}

/// Reads a name and its colon, and finds the field of that name.
fn field<'f>(fields: &'f mut [Column], scan: &mut Scan<'_>) -> Read<&'f mut Column> {
    scan.expect(b'"', "a name in quotes")?;
    let mut resolved = Vec::new();
    let name = match scan.string()? {
        Piece::Plain(name) => name,
        Piece::Escaped(name) => {
            unescape(name, &mut resolved);
            &resolved
        }
    };
    scan.blank();
    scan.expect(b':', "':'")?;
    scan.blank();
    let found = fields
        .iter_mut()
        .find(|field| field.name.as_bytes() == name);
    found.ok_or_else(|| {
        let name = String::from_utf8_lossy(name);
        Wrong::value("a declared field", &format!("field \"{name}\""))
    })
}

/// A value of another type than the column's.
#[cold]
fn other(scan: &Scan<'_>, ty: &ColumnType, depth: usize) -> Box<Wrong> {
    let found = scan.clone().value(depth);
    match found {
        Ok(text) => Wrong::mismatch(ty, &String::from_utf8_lossy(text)),
        Err(wrong) => wrong,
    }
}
