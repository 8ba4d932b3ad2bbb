//! Tensors out of a `model.safetensors` file.
//!
//! Tensors are read one by one with plain reads, so memory peaks at what is kept, and a file that is replaced or
//! truncated while we read is an error and not a bus error, as it would be through a memory map.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};

use crate::error::{Error, Result};

/// More than any model's header takes; safetensors' own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// An open weights file.
pub(crate) struct Weights {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where tensor data starts in the file.
    data_start: u64,
    /// `"bert."` where the file was saved from a model with a head.
    prefix: &'static str,
}

/// A tensor in the precision it was saved in, read row by row.
pub(crate) struct Table {
    bytes: Vec<u8>,
    dtype: Dtype,
    columns: usize,
}

impl Weights {
    /// Opens `path` and checks that its header fits its length.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = |source| Error::ReadModel { path: path.to_owned(), source };
        let broken = |reason: String| Error::Weights { path: path.to_owned(), reason };
        let mut file = File::open(path).map_err(read)?;
        let file_bytes = file.metadata().map_err(read)?.len();

        let mut header_bytes = [0; 8];
        file.read_exact(&mut header_bytes).map_err(read)?;
        let header_bytes = u64::from_le_bytes(header_bytes);
        if header_bytes > MAX_HEADER_BYTES || header_bytes + 8 > file_bytes {
            return Err(broken("its header is longer than the file".to_owned()));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(read)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|source| Error::ParseModel { path: path.to_owned(), source: source.into() })?;

        let data_start = header_bytes + 8;
        let data_end = data_start + metadata.data_len() as u64;
        if data_end != file_bytes {
            return Err(broken(format!(
                "the file has {file_bytes} bytes where its header promises {data_end}"
            )));
        }
        let prefix =
            if metadata.info("bert.embeddings.word_embeddings.weight").is_some() { "bert." } else { "" };
        Ok(Self { path: path.to_owned(), file, metadata, data_start, prefix })
    }

    /// Reads the tensor `name` (without the `bert.` prefix), which must have `shape`, as f32 in row-major order.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (bytes, dtype) = self.bytes(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        decode(&bytes, dtype, &mut values);
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            return Err(self.broken(format!("the tensor {name} contains {bad}")));
        }
        Ok(values)
    }

    /// Reads the matrix `name`, keeping the precision it was saved in.
    pub(crate) fn table(&mut self, name: &str, shape: [usize; 2]) -> Result<Table> {
        let (bytes, dtype) = self.bytes(name, &shape)?;
        Ok(Table { bytes, dtype, columns: shape[1] })
    }

    fn bytes(&mut self, name: &str, shape: &[usize]) -> Result<(Vec<u8>, Dtype)> {
        let full_name = format!("{}{name}", self.prefix);
        let Some(info) = self.metadata.info(&full_name) else {
            return Err(self.broken(format!("the tensor {full_name} is missing")));
        };
        if info.shape != shape {
            return Err(self.broken(format!(
                "the tensor {full_name} has the shape {:?} where config.json asks for {shape:?}",
                info.shape
            )));
        }
        let dtype = info.dtype;
        if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(self.broken(format!("the tensor {full_name} has the unsupported type {dtype:?}")));
        }
        let (start, end) = info.data_offsets;
        let expected = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        if end.checked_sub(start) != Some(expected) {
            return Err(self.broken(format!("the tensor {full_name} does not fill its shape")));
        }
        let mut bytes = vec![0; expected];
        self.file
            .seek(SeekFrom::Start(self.data_start + start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| Error::ReadModel { path: self.path.clone(), source })?;
        Ok((bytes, dtype))
    }

    fn broken(&self, reason: String) -> Error {
        Error::Weights { path: self.path.clone(), reason }
    }
}

impl Table {
    /// Decodes row `index` into `row`; `false` if there is no such row.
    pub(crate) fn read_row(&self, index: usize, row: &mut [f32]) -> bool {
        let width = self.columns * self.dtype.bitsize() / 8;
        let bytes = index.checked_mul(width).and_then(|start| self.bytes.get(start..start + width));
        bytes.is_some_and(|bytes| {
            decode(bytes, self.dtype, row);
            true
        })
    }
}

/// Decodes little-endian `bytes`, as safetensors stores them.
fn decode(bytes: &[u8], dtype: Dtype, values: &mut [f32]) {
    match dtype {
        Dtype::F16 => decode_with(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => decode_with(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
        _ => decode_with(bytes, values, f32::from_le_bytes),
    }
}

fn decode_with<const N: usize>(bytes: &[u8], values: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    let (chunks, _) = bytes.as_chunks::<N>();
    for (value, chunk) in values.iter_mut().zip(chunks) {
        *value = convert(*chunk);
    }
}
