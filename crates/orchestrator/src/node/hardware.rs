use std::collections::BTreeMap;
use std::fs;

use sysinfo::{CpuRefreshKind, DiskKind, DiskRefreshKind, Disks, MemoryRefreshKind, RefreshKind, System};

use super::Node;

const GIB: f64 = (1_u64 << 30) as f64;
const TB: f64 = 1e12;

impl Node {
    /// This machine, as it is right now. Reads the system's own tables; runs nothing.
    pub fn this_machine() -> Self {
        // What the system does not tell stays unknown.
        let system = System::new_with_specifics(
            RefreshKind::nothing()
                .with_cpu(CpuRefreshKind::nothing())
                .with_memory(MemoryRefreshKind::nothing().with_ram()),
        )
        .ok();
        let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
        let memory = system.as_ref().map_or(0, System::total_memory);
        let known = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Self {
            node_name: System::host_name()
                .ok()
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "localhost".to_owned()),
            node_role: "workstation".to_owned(),
            cpu_model: cpus.first().and_then(|cpu| known(cpu.brand())),
            cpu_cores_total: i32::try_from(cpus.len()).ok().filter(|cores| *cores > 0),
            ram_gb: Some(rounded(memory as f64 / GIB)).filter(|ram| *ram > 0.0),
            storage_internal_tb: storage(),
            model_name: sysinfo::Product::name().ok().and_then(|name| known(&name)),
            gpu_model: gpus(),
        }
    }
}

/// A disk that is mounted in several places counts once; network and removable ones do not.
fn storage() -> Option<f64> {
    let disks =
        Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage().with_kind())
            .ok()?;
    let internal: BTreeMap<_, u64> = disks
        .iter()
        .filter(|disk| {
            !disk.is_removable()
                && matches!(disk.kind(), DiskKind::HDD | DiskKind::SSD | DiskKind::Unknown(_))
        })
        .filter(|disk| disk.name().to_string_lossy().starts_with("/dev/") || cfg!(target_os = "macos"))
        .map(|disk| (disk.name().to_owned(), disk.total_space()))
        .collect();
    let bytes: u64 = internal.values().sum();
    (bytes > 0).then(|| rounded(bytes as f64 / TB))
}

/// NVIDIA's driver lists its cards as files; Apple's GPU is part of the processor, which is named already.
fn gpus() -> Option<String> {
    let cards = fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let mut models: Vec<String> = cards
        .flatten()
        .filter_map(|card| fs::read_to_string(card.path().join("information")).ok())
        .filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned()))
        .collect();
    models.sort();
    (!models.is_empty()).then(|| models.join(", "))
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
