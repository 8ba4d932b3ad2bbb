//! Where a model runs.

use crate::bert::Bert;
use crate::config::ModelConfig;
use crate::error::{Error, Result};

#[cfg(feature = "candle")]
use crate::backend_candle::CandleBert;

/// Where a model is to run. Metal and CUDA need the crate's features of these names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// Metal, else CUDA, if built in and a device opens; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// Apple's GPUs.
    Metal,
    /// Nvidia's GPUs.
    Cuda,
    /// The GPUs' code on the CPU: slower than [`Device::Cpu`], for checking one against the other.
    #[cfg(feature = "candle")]
    CandleCpu,
}

/// A loaded encoder, on whichever device.
pub(crate) enum Backend {
    Cpu(Bert),
    #[cfg(feature = "candle")]
    Candle(CandleBert, &'static str),
}

impl Backend {
    /// Loads the encoder onto `device`; `threads` are the CPU's.
    pub(crate) fn load(config: &ModelConfig, device: Device, threads: usize) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(Bert::load(config, threads)?)),
            #[cfg(feature = "candle")]
            Device::CandleCpu => {
                Ok(Self::Candle(CandleBert::load(config, candle_core::Device::Cpu)?, "candle-cpu"))
            }
            Device::Metal => Self::metal(config),
            Device::Cuda => Self::cuda(config),
            Device::Auto if metal_available() => Self::metal(config),
            Device::Auto if cfg!(feature = "cuda") => Self::cuda(config).or_else(|error| {
                tracing::warn!(%error, "CUDA does not open, using the CPU");
                Self::load(config, Device::Cpu, threads)
            }),
            Device::Auto => Self::load(config, Device::Cpu, threads),
        }
    }

    #[cfg(feature = "metal")]
    fn metal(config: &ModelConfig) -> Result<Self> {
        let device = candle_core::Device::new_metal(0)
            .map_err(|error| Error::Device { device: "metal", reason: error.to_string() })?;
        Ok(Self::Candle(CandleBert::load(config, device)?, "metal"))
    }

    #[cfg(not(feature = "metal"))]
    fn metal(_: &ModelConfig) -> Result<Self> {
        Err(not_built_in("metal"))
    }

    #[cfg(feature = "cuda")]
    fn cuda(config: &ModelConfig) -> Result<Self> {
        let device = candle_core::Device::new_cuda(0)
            .map_err(|error| Error::Device { device: "cuda", reason: error.to_string() })?;
        Ok(Self::Candle(CandleBert::load(config, device)?, "cuda"))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: &ModelConfig) -> Result<Self> {
        Err(not_built_in("cuda"))
    }

    /// The device's name.
    pub(crate) fn device(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu",
            #[cfg(feature = "candle")]
            Self::Candle(_, device) => device,
        }
    }

    /// Tokens that keep the device busy.
    pub(crate) fn batch_tokens(&self) -> usize {
        match self {
            Self::Cpu(bert) => bert.batch_tokens(),
            #[cfg(feature = "candle")]
            Self::Candle(..) => crate::backend_candle::MAX_BATCH_TOKENS,
        }
    }

    /// Encodes `sequences` and gives `pool` the final states of each (tokens × hidden).
    pub(crate) fn forward<T: Send>(
        &self,
        sequences: &[&[u32]],
        pool: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>> {
        match self {
            Self::Cpu(bert) => bert.forward(sequences, pool),
            #[cfg(feature = "candle")]
            Self::Candle(bert, _) => bert.forward(sequences, pool),
        }
    }
}

/// Whether this build can use Metal and a Metal device opens.
pub(crate) fn metal_available() -> bool {
    #[cfg(feature = "metal")]
    {
        candle_core::Device::new_metal(0).is_ok()
    }
    #[cfg(not(feature = "metal"))]
    {
        false
    }
}

#[cfg(not(all(feature = "metal", feature = "cuda")))]
fn not_built_in(device: &'static str) -> Error {
    Error::Device { device, reason: "it is not part of this build".to_owned() }
}
