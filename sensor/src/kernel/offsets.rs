//! Finds the fields of [`sensor_common::offsets`] in the kernel's own type information.

use super::StartError;
use btf_rs::{Btf, BtfType, Member, Struct, Type};
use sensor_common::offsets::{FIELDS, Field, MISSING, SIZES};

/// Where the kernel describes its types; kernels built with `CONFIG_DEBUG_INFO_BTF` have it.
pub const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Byte offsets and sizes by the name of the global that they belong to, in the order of `FIELDS`, then `SIZES`.
pub struct Offsets {
    /// Global and value.
    pub values: Vec<(&'static str, u32)>,
    /// Optional fields that this kernel does not have, as `structure.member`: what hangs on them is not reported.
    pub missing: Vec<String>,
}

/// Reads the running kernel's types.
///
/// Fails if there is no BTF, or if it lacks a field without which the programs cannot work.
pub fn find() -> Result<Offsets, StartError> {
    let bytes = std::fs::read(VMLINUX_BTF).map_err(|error| StartError::Kernel {
        feature: "BTF type information".into(),
        reason: format!("{VMLINUX_BTF} cannot be read: {error}; the kernel needs CONFIG_DEBUG_INFO_BTF=y (since 5.4)"),
    })?;
    let btf = Btf::from_bytes(&bytes).map_err(|error| StartError::Kernel {
        feature: "BTF type information".into(),
        reason: format!("{VMLINUX_BTF} cannot be understood: {error}"),
    })?;
    resolve(&btf)
}

fn resolve(btf: &Btf) -> Result<Offsets, StartError> {
    let mut values = Vec::with_capacity(FIELDS.len() + SIZES.len());
    let mut missing = Vec::new();
    for field in FIELDS {
        match offset(btf, field) {
            Some(offset) => values.push((field.global, offset)),
            None if field.required => return Err(lacks(field)),
            None => {
                missing.push(format!("{}.{}", field.structure, field.member));
                values.push((field.global, MISSING));
            }
        }
    }
    for (global, structure) in SIZES {
        let size = structure_named(btf, structure).map(|found| found.size() as u32);
        values.push((global, size.unwrap_or(MISSING)));
    }
    Ok(Offsets { values, missing })
}

fn lacks(field: &Field) -> StartError {
    StartError::Kernel {
        feature: format!("{}.{}", field.structure, field.member),
        reason: "the kernel's BTF has no such field; this kernel is not supported yet".into(),
    }
}

fn offset(btf: &Btf, field: &Field) -> Option<u32> {
    let mut structure = structure_named(btf, field.structure)?;
    let mut bits = 0;
    let mut parts = field.member.split('.').peekable();
    while let Some(part) = parts.next() {
        let (at, member) = member_named(btf, &structure, part)?;
        bits += at;
        if parts.peek().is_some() {
            structure = structure_of(btf, &member)?;
        }
    }
    Some(bits / 8)
}

fn structure_named(btf: &Btf, name: &str) -> Option<Struct> {
    let types = btf.resolve_types_by_name(name).ok()?;
    types.into_iter().find_map(|found| match found {
        Type::Struct(found) if !found.members.is_empty() => Some(found),
        _ => None,
    })
}

/// The member of that name and its offset in bits; unnamed structures and unions are looked into.
fn member_named(btf: &Btf, structure: &Struct, name: &str) -> Option<(u32, Member)> {
    for member in &structure.members {
        let own = btf.resolve_name(member).unwrap_or_default();
        if own == name {
            return Some((member.bit_offset(), member.clone()));
        }
        if own.is_empty()
            && let Some(inner) = structure_of(btf, member)
            && let Some((bits, found)) = member_named(btf, &inner, name)
        {
            return Some((member.bit_offset() + bits, found));
        }
    }
    None
}

/// The structure or union that a member is, behind `const`, `volatile` and typedefs.
fn structure_of(btf: &Btf, member: &Member) -> Option<Struct> {
    let mut id = member.get_type_id().ok()?;
    for _ in 0..16 {
        let next = match btf.resolve_type_by_id(id).ok()? {
            Type::Struct(found) | Type::Union(found) => return Some(found),
            Type::Const(inner) | Type::Volatile(inner) => inner.get_type_id(),
            Type::Typedef(inner) => inner.get_type_id(),
            _ => return None,
        };
        id = next.ok()?;
    }
    None
}
