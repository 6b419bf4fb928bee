//! Reads the rows of one table of an SQLite file (<https://www.sqlite.org/fileformat2.html>).
//!
//! Own code, because SQLite opens files by name only and looks up where `/proc/PID/root` and `/proc/self/fd/N` lead,
//! which names another file when the database is in another mount namespace; and because what is read here may have been
//! written by an attacker, with all privileges on this side. Reads through [`Source`], so from a descriptor. Always
//! holds: pages visited, bytes read and memory are bounded, whatever the pages say. What a write-ahead log has committed
//! is seen. It does not lock: what is read while somebody writes may be partial, and is read anew after.

mod wal;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Longest row, in bytes.
const MAX_ROW: usize = 32 << 20;
/// Most bytes of rows in one scan.
const MAX_BYTES: usize = 512 << 20;
/// Most pages visited in one scan, 4 GiB of the usual size.
const MAX_PAGES: u32 = 1 << 20;
/// Most pages that wait to be visited.
const MAX_WAITING: usize = 1 << 20;

/// Something to read from.
pub trait Source {
    /// Fills the buffer from an offset; false if there is not as much.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> bool;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> bool {
        self.read_exact_at(buffer, offset).is_ok()
    }
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> bool {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.saturating_add(buffer.len());
        self.get(offset..end).map(|bytes| buffer.copy_from_slice(bytes)).is_some()
    }
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    page: u32,
    cell: u16,
}

/// Where in the write-ahead log newer pages are.
pub type Newer = Arc<HashMap<u32, u64>>;

/// A database file.
pub struct Reader<S> {
    source: S,
    /// The write-ahead log.
    wal: Option<(S, Newer)>,
    page_bytes: usize,
    /// A page without what extensions reserve at its end.
    usable: usize,
}

impl<S: Source> Reader<S> {
    /// Opens; `None` if it is no SQLite file in UTF-8. The log is read, unless what is in it is `known`.
    pub fn open(source: S, wal: Option<S>, known: Option<Newer>) -> Option<Self> {
        let mut header = [0; 100];
        if !source.read_at(&mut header, 0) || !header.starts_with(b"SQLite format 3\0") {
            return None;
        }
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = page_bytes.checked_sub(usize::from(header[20]))?;
        let encoding = be32(&header, 56)?;
        if !page_bytes.is_power_of_two() || page_bytes < 512 || usable < 480 || encoding > 1 {
            return None;
        }
        let wal = wal.map(|source| {
            let newer = known.unwrap_or_else(|| Arc::new(wal::pages(&source, page_bytes)));
            (source, newer)
        });
        Some(Self { source, wal, page_bytes, usable })
    }

    /// Where in the log newer pages are.
    pub fn newer(&self) -> Newer {
        self.wal.as_ref().map(|(_, newer)| Arc::clone(newer)).unwrap_or_default()
    }

    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        let newer = self.wal.as_ref().and_then(|(source, pages)| Some((source, *pages.get(&number)?)));
        let read = match newer {
            Some((source, offset)) => source.read_at(&mut page, offset),
            None => self.source.read_at(&mut page, u64::from(number.checked_sub(1)?) * self.page_bytes as u64),
        };
        read.then_some(page)
    }

    /// The first page of a table.
    pub fn table(&self, name: &str) -> Option<u32> {
        let mut found = None;
        self.scan(1, |_, row| {
            let is = column(row, 0) == Some(b"table") && column(row, 1) == Some(name.as_bytes());
            if is && found.is_none() {
                found = column(row, 3).and_then(integer);
            }
        });
        found
    }

    /// Hands over each row of the table that begins there; false if not all could be read.
    pub fn scan(&self, first: u32, mut each: impl FnMut(Place, &[u8])) -> bool {
        let mut waiting = vec![first];
        let (mut pages, mut bytes, mut whole) = (0, 0, true);
        while let Some(number) = waiting.pop() {
            pages += 1;
            if pages > MAX_PAGES || bytes > MAX_BYTES {
                return false;
            }
            let Some(page) = self.page(number) else {
                whole = false;
                continue;
            };
            let Some(head) = Head::of(&page, number) else {
                whole = false;
                continue;
            };
            if head.interior {
                // The last in is the first out, and rows come in order.
                let children = (0..head.cells).rev().filter_map(|cell| be32(&page, head.cell(&page, cell)?));
                waiting.extend(be32(&page, head.start + 8).into_iter().chain(children));
                if waiting.len() > MAX_WAITING {
                    return false;
                }
                continue;
            }
            for cell in 0..head.cells {
                let Some(row) = self.row(&page, head, cell) else {
                    whole = false;
                    continue;
                };
                bytes += row.len();
                if bytes > MAX_BYTES {
                    return false;
                }
                each(Place { page: number, cell }, &row);
            }
        }
        whole
    }

    /// The row at a place.
    pub fn at(&self, place: Place) -> Option<Vec<u8>> {
        let page = self.page(place.page)?;
        let head = Head::of(&page, place.page).filter(|head| !head.interior && place.cell < head.cells)?;
        self.row(&page, head, place.cell)
    }

    /// A row with what of it lies on other pages (section 1.6 of the format).
    fn row(&self, page: &[u8], head: Head, cell: u16) -> Option<Vec<u8>> {
        let cell = page.get(head.cell(page, cell)?..self.usable)?;
        let (length, rest) = varint(cell)?;
        let (_, rest) = varint(rest)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ROW)?;
        if length <= self.usable - 35 {
            return rest.get(..length).map(<[u8]>::to_vec);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        let local = if local <= self.usable - 35 { local } else { least };
        let mut row = rest.get(..local)?.to_vec();
        let mut next = be32(rest, local)?;
        // Each page adds something, so this ends.
        while row.len() < length {
            let page = self.page(next)?;
            next = be32(&page, 0)?;
            let some = (length - row.len()).min(self.usable - 4);
            row.extend_from_slice(page.get(4..4 + some)?);
        }
        Some(row)
    }
}

/// The head of a page of a table's tree.
#[derive(Clone, Copy)]
struct Head {
    start: usize,
    interior: bool,
    cells: u16,
}

impl Head {
    fn of(page: &[u8], number: u32) -> Option<Self> {
        // The file's own head stands on the first page.
        let start = if number == 1 { 100 } else { 0 };
        let interior = match page.get(start)? {
            5 => true,
            13 => false,
            _ => return None,
        };
        Some(Self { start, interior, cells: be16(page, start + 3)? })
    }

    fn cell(self, page: &[u8], number: u16) -> Option<usize> {
        let list = self.start + if self.interior { 12 } else { 8 };
        be16(page, list + usize::from(number) * 2).map(usize::from)
    }
}

/// The bytes of a row's column; `None` if it is not there. NULL is empty.
pub fn column(row: &[u8], number: usize) -> Option<&[u8]> {
    let (head, mut kinds) = varint(row)?;
    let mut at = usize::try_from(head).ok()?;
    let mut left = at.checked_sub(row.len() - kinds.len())?;
    for current in 0..=number {
        let (kind, rest) = varint(kinds)?;
        left = left.checked_sub(kinds.len() - rest.len())?;
        kinds = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let end = at.checked_add(length)?;
        if current == number {
            return row.get(at..end);
        }
        at = end;
    }
    None
}

/// A column that holds a page's number.
fn integer(bytes: &[u8]) -> Option<u32> {
    let value = bytes.iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
    // A table's first page may be 1 in theory only; that is stored without any byte.
    value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0)
}

/// Seven bits a byte, high ones first, at most nine bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests;
