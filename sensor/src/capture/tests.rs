//! Captures that are whole, cut, or damaged.

use super::*;

fn capture() -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header { sensor_version: "1".into(), host: Host::default() };
    let mut writer = Writer::new(&mut bytes, &header).unwrap();
    writer.frame(b"first").unwrap();
    writer.frame(b"").unwrap();
    writer.frame(&[7; 300]).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, CaptureError> {
    let (mut reader, _) = Reader::new(bytes)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read(&capture()).unwrap(), [b"first".to_vec(), vec![], vec![7; 300]]);
}

#[test]
fn a_cut_at_any_byte_is_whole_frames_or_an_error_that_says_where() {
    let bytes = capture();
    let mut whole = 0;
    for end in 0..bytes.len() {
        match read(&bytes[..end]) {
            Ok(_) => whole += 1,
            Err(error) => assert!(error.to_string().starts_with("at byte "), "{error}"),
        }
    }
    assert_eq!(whole, 3, "after the header, and after each frame but the last");
}

#[test]
fn any_byte_that_changed_is_noticed() {
    let bytes = capture();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let error = read(&damaged).expect_err("damage is noticed").to_string();
        assert!(error.starts_with("at byte "), "{error}");
    }
}
