//! The write-ahead log: pages that were committed and are not in the file yet (section 4 of the format).

use super::{Source, be32};
use std::collections::HashMap;

/// Most frames that are read. rpm's log is merged after a thousand.
const MAX_FRAMES: u64 = 65_536;
const HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;

/// Where the newest committed content of each page is in the log; what is after the last good frame is left out.
pub fn pages(source: &impl Source, page_bytes: usize) -> HashMap<u32, u64> {
    let mut committed = HashMap::new();
    // Cannot fail to the caller: a log that is none has no pages.
    let _ = collect(source, page_bytes, &mut committed);
    committed
}

fn collect(source: &impl Source, page_bytes: usize, committed: &mut HashMap<u32, u64>) -> Option<()> {
    let mut header = [0; HEADER as usize];
    if !source.read_at(&mut header, 0) {
        return None;
    }
    let magic = be32(&header, 0)?;
    if magic & !1 != 0x377f_0682 || be32(&header, 8)? as usize != page_bytes {
        return None;
    }
    let big_endian = magic & 1 == 1;
    let mut sum = checksum([0, 0], &header[..24], big_endian);
    if sum != [be32(&header, 24)?, be32(&header, 28)?] {
        return None;
    }
    let mut uncommitted = HashMap::new();
    let mut frame = vec![0; FRAME_HEADER + page_bytes];
    for number in 0..MAX_FRAMES {
        let offset = HEADER + number * frame.len() as u64;
        if !source.read_at(&mut frame, offset) || frame[8..16] != header[16..24] {
            return None;
        }
        sum = checksum(checksum(sum, &frame[..8], big_endian), &frame[FRAME_HEADER..], big_endian);
        if sum != [be32(&frame, 16)?, be32(&frame, 20)?] {
            return None;
        }
        uncommitted.insert(be32(&frame, 0)?, offset + FRAME_HEADER as u64);
        if be32(&frame, 4)? != 0 {
            committed.extend(uncommitted.drain());
        }
    }
    None
}

fn checksum(mut sum: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    let word = |bytes: &[u8]| {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        sum[0] = sum[0].wrapping_add(word(pair)).wrapping_add(sum[1]);
        sum[1] = sum[1].wrapping_add(word(&pair[4..])).wrapping_add(sum[0]);
    }
    sum
}
