//! File records: who, which inode, which path, below which watch.

use crate::{
    emit::{self, Outcome, Record, Slot},
    inode::Inode,
    lineage::{self, Subject},
    notes, path, watch,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use sensor_common::{
    file::{FileBody, file_flags},
    record::{Hook, Kind},
    settings::MAX_TEXT,
};

/// A name: a dentry, and the mount it is seen through.
#[derive(Clone, Copy)]
pub struct Name {
    pub dentry: u64,
    pub vfsmount: u64,
}

/// What a file record says beyond who and where.
pub struct Deed {
    pub slot: Slot,
    pub kind: Kind,
    pub hook: Hook,
    pub argument: u32,
    pub flags: u32,
    /// The inode, where `Name::dentry` does not have it yet (rename, link).
    pub inode: u64,
}

impl Deed {
    /// Whether it changes what the file holds, or under which name it is found.
    #[inline(always)]
    fn writes(&self) -> bool {
        match self.kind {
            Kind::Open => self.flags & file_flags::WRITE != 0,
            Kind::Rename | Kind::Link => true,
            _ => false,
        }
    }
}

/// A second path.
pub enum Other {
    None,
    /// The old name of a rename or link.
    Name(Name),
    /// A symlink's target: a kernel string.
    Text(u64),
}

/// Who is reported: a server's lineage anywhere, anybody below a watched directory.
#[inline(always)]
pub fn concerned(watched: watch::Watched) -> Option<Subject> {
    if watched.watch != 0 { Some(lineage::current()) } else { lineage::current_in_lineage() }
}

/// Reports a deed on `name`, if it concerns anybody.
#[inline(always)]
pub fn report(deed: Deed, name: Name, other: Other) -> Outcome {
    let watched = watch::above(name.dentry, name.vfsmount);
    match concerned(watched) {
        Some(subject) => send(&deed, &subject, name, other, watched),
        None => Ok(()),
    }
}

/// Sends the record of a deed.
#[inline(always)]
pub fn send(deed: &Deed, subject: &Subject, name: Name, other: Other, watched: watch::Watched) -> Outcome {
    emit::record(deed.slot, deed.kind, deed.hook, subject, size_of::<FileBody>(), |record| {
        if watched.watch != 0 {
            record.wake();
        }
        let (path_length, cut) = path::append(record, name.dentry, name.vfsmount);
        let (other_length, other_cut, other_watched) = append_other(record, other, watched.watch);
        let facts = Inode(deed.inode).facts(record);
        if deed.writes() {
            notes::written(facts.number, facts.device, facts.generation);
        }
        // SAFETY: the record was made for a `FileBody`.
        unsafe {
            record.body::<FileBody>().write(FileBody {
                inode: facts.number,
                device: facts.device,
                watch: watched.watch,
                watch_depth: watched.depth,
                flags: deed.flags
                    | facts.flags
                    | flag(cut, file_flags::PATH_CUT)
                    | flag(other_cut, file_flags::OTHER_CUT)
                    | flag(other_watched, file_flags::OTHER_WATCHED),
                mode: facts.mode,
                owner: facts.owner,
                argument: deed.argument,
                path_length,
                other_length,
                generation: facts.generation,
                reserved: 0,
            });
        }
        Ok(())
    })
}

#[inline(always)]
fn append_other(record: &mut Record, other: Other, watch: u32) -> (u16, bool, bool) {
    match other {
        Other::None => (0, false, false),
        Other::Name(name) => {
            let (length, cut) = path::append(record, name.dentry, name.vfsmount);
            let same = watch != 0 && watch::above(name.dentry, name.vfsmount).watch == watch;
            (length, cut, same)
        }
        Other::Text(text) => (append_text(record, text), false, false),
    }
}

/// Appends a kernel string without its NUL; gives its bytes.
#[inline(always)]
pub fn append_text(record: &mut Record, text: u64) -> u16 {
    // SAFETY: there is room for 4 KiB at the tail, which is more.
    let copied = unsafe { bpf_probe_read_kernel_str(record.tail().cast(), MAX_TEXT as u32, text as *const _) };
    if copied <= 1 {
        return 0;
    }
    let length = (copied as usize - 1) & (MAX_TEXT - 1);
    record.position += length;
    length as u16
}

#[inline(always)]
pub fn flag(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}
