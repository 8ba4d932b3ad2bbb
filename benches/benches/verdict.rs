//! The last of the benches, and none itself: what the others found in this run, held against every gate.
//!
//! A gate that no bench measured fails, unless only some benches were asked for. In a smoke run nothing is judged, but
//! every gate must have its figure.

use std::process::ExitCode;

use agent_turbo_benches::{Gate, Measured, is_smoke, sure};

fn main() -> ExitCode {
    let filtered = std::env::args().skip(1).any(|argument| !argument.starts_with('-'));
    let (gates, figures) = (sure(Gate::all()), sure(Measured::of_this_run()));
    let mut missed = 0;
    let mut lines = Vec::new();
    for gate in &gates {
        let floor = gate.floor.as_ref().map(|floor| format!("; floor: {floor}")).unwrap_or_default();
        let Some(figure) = figures.iter().find(|figure| figure.gate == gate.name) else {
            missed += usize::from(!filtered);
            lines.push(format!("NONE {}: not measured in this run", gate.name));
            continue;
        };
        let met = is_smoke() || gate.is_met(figure.value);
        missed += usize::from(!met);
        lines.push(format!(
            "{} {}: {} (bar {}; {}{floor})",
            if met { "PASS" } else { "FAIL" },
            gate.name,
            gate.unit.of(figure.value),
            gate.bar(),
            figure.detail
        ));
    }
    tell(&lines, gates.len(), figures.len(), missed);
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the verdict is the result")]
fn tell(lines: &[String], gates: usize, measured: usize, missed: usize) {
    if is_smoke() {
        println!("gates: {measured} of {gates} have a figure");
        return;
    }
    println!("\nGate report\n");
    for line in lines {
        println!("{line}");
    }
    println!("\n{gates} gates, {measured} measured, {missed} missed");
}
