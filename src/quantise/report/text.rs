//! The report for people.

use super::{Accuracy, LayerReport, Loss, Report, TensorReport};
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: integer against float network on {} samples", self.model, self.samples)?;
        writeln!(f, "  top-1 agreement   {:.2} %", 100.0 * self.top1_agreement)?;
        if let Some(Accuracy { float, integer }) = self.accuracy {
            writeln!(f, "  accuracy          {:.2} % integer, {:.2} % float", 100.0 * integer, 100.0 * float)?;
        }
        writeln!(
            f,
            "  output error      {:.3e} at most, {:.3e} on average (one step is {:.3e})",
            self.max_abs_error, self.mean_abs_error, self.output_step
        )?;
        writeln!(f, "  inputs cut off    {}", self.saturated_inputs)?;
        let quantised: Vec<&LayerReport> = self.layers.iter().filter(|layer| layer.exact.is_some()).collect();
        let rounded: Vec<&str> =
            quantised.iter().filter(|layer| layer.exact == Some(false)).map(|layer| layer.node.as_str()).collect();
        if !quantised.is_empty() {
            let (exact, all) = (quantised.len() - rounded.len(), quantised.len());
            writeln!(f, "  comes quantised   {exact} of {all} layers round exactly as the model says")?;
        }
        if !rounded.is_empty() {
            writeln!(f, "  rounded again     {}", rounded.join(", "))?;
        }
        if let Some(Loss { node, own_snr_db, .. }) = &self.loses_most {
            writeln!(f, "  loses most        {node}, {own_snr_db:.2} dB of its own")?;
        }
        writeln!(f, "  {:<24} {:>8} {:>8} {:>9} {:>18}", "affine layer", "SNR dB", "own dB", "table", "quotients")?;
        self.layers.iter().try_for_each(|layer| write_layer(f, layer))?;
        writeln!(
            f,
            "  {:<24} {:>23} {:>17} {:>5} {:>7} {:>10}",
            "tensor", "observed", "integers", "bits", "used", "cut off"
        )?;
        // What only moves elements shares its range and its scale with what it moves.
        let computed = |tensor: &&TensorReport| matches!(tensor.operator, "input" | "affine");
        self.tensors.iter().filter(computed).try_for_each(|tensor| write_tensor(f, tensor))
    }
}

fn write_layer(f: &mut fmt::Formatter<'_>, layer: &LayerReport) -> fmt::Result {
    let quotients = format!("[{}, {}]", layer.quotient.lo, layer.quotient.hi);
    let (snr, own) = (decibels(layer.snr_db), decibels(layer.own_snr_db));
    writeln!(f, "  {:<24} {snr:>8} {own:>8} {:>9} {quotients:>18}", layer.node, layer.quotient_width)
}

fn write_tensor(f: &mut fmt::Formatter<'_>, tensor: &TensorReport) -> fmt::Result {
    let observed = tensor.observed.map_or_else(|| "-".into(), |(min, max)| format!("[{min:.4}, {max:.4}]"));
    let range = format!("[{}, {}]", tensor.range.lo, tensor.range.hi);
    let (used, cut) = (format!("{:.0} %", 100.0 * tensor.used), format!("{:.3} %", 100.0 * tensor.saturated_fraction));
    writeln!(f, "  {:<24} {observed:>23} {range:>17} {:>5} {used:>7} {cut:>10}", tensor.node, tensor.bits)
}

pub(super) fn decibels(snr: Option<f64>) -> String {
    snr.map_or_else(|| "-".into(), |snr| format!("{snr:.2}"))
}
