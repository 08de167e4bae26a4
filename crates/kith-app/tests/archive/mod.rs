//! Archives with any lie in them: a writer of ZIP files that checks nothing.
#![allow(dead_code, reason = "each test uses a part")]

/// One file of an archive. Local header and directory say the same, unless `local` changes it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    pub(crate) compressed: u32,
    /// What the system of `version made by` is: 3 is Unix.
    pub(crate) system: u8,
    pub(crate) attributes: u32,
    /// Where the directory says that the local header is; where it really is, if `None`.
    pub(crate) offset: Option<u32>,
    /// The name in the local header, where it is another one.
    pub(crate) local_name: Option<Vec<u8>>,
    /// Extra fields, in the directory alone.
    pub(crate) extra: Vec<u8>,
    /// Extra fields, in the local header alone.
    pub(crate) local_extra: Vec<u8>,
    /// Its comment.
    pub(crate) comment: Vec<u8>,
}

impl Entry {
    /// A plain file, stored.
    pub(crate) fn stored(name: impl AsRef<[u8]>, data: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            data: data.to_vec(),
            flags: 0,
            method: 0,
            crc: crc32(data),
            size: data.len() as u32,
            compressed: data.len() as u32,
            system: 3,
            attributes: 0o100_644 << 16,
            offset: None,
            local_name: None,
            extra: Vec::new(),
            local_extra: Vec::new(),
            comment: Vec::new(),
        }
    }

    /// A plain file, deflated.
    pub(crate) fn deflated(name: &str, data: &[u8]) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(vec![], flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, data).expect("memory takes all");
        let packed = encoder.finish().expect("memory takes all");
        let compressed = packed.len() as u32;
        Self { data: packed, method: 8, compressed, ..Self::stored(name, data) }
            .sized(data.len() as u32, crc32(data))
    }

    fn sized(mut self, size: u32, crc: u32) -> Self {
        self.size = size;
        self.crc = crc;
        self
    }

    /// A file of this Unix mode.
    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.attributes = mode << 16;
        self
    }
}

/// The page that every bundle needs.
pub(crate) fn index() -> Entry {
    Entry::stored("index.html", b"<!doctype html>")
}

/// The archive of these entries.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = entry.offset.unwrap_or(out.len() as u32);
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        out.extend(b"PK\x03\x04");
        out.extend(20u16.to_le_bytes());
        fields(&mut out, entry, local_name, &entry.local_extra);
        out.extend(local_name);
        out.extend(&entry.local_extra);
        out.extend(&entry.data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, entry.system]);
        directory.extend(20u16.to_le_bytes());
        fields(&mut directory, entry, &entry.name, &entry.extra);
        directory.extend((entry.comment.len() as u16).to_le_bytes());
        directory.extend(0u16.to_le_bytes()); // disk
        directory.extend(0u16.to_le_bytes()); // internal attributes
        directory.extend(entry.attributes.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
        directory.extend(&entry.extra);
        directory.extend(&entry.comment);
    }
    let start = out.len() as u32;
    let count = entries.len() as u16;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out
}

/// The fields that both headers have: flags to the length of the extra fields.
fn fields(out: &mut Vec<u8>, entry: &Entry, name: &[u8], extra: &[u8]) {
    out.extend(entry.flags.to_le_bytes());
    out.extend(entry.method.to_le_bytes());
    out.extend([0, 0, 0x21, 0]); // 1980-01-01
    out.extend(entry.crc.to_le_bytes());
    out.extend(entry.compressed.to_le_bytes());
    out.extend(entry.size.to_le_bytes());
    out.extend((name.len() as u16).to_le_bytes());
    out.extend((extra.len() as u16).to_le_bytes());
}

/// CRC-32 as ZIP has it.
pub(crate) fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}
