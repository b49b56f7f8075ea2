//! Signal to noise by layer, as an SVG.

use super::{LayerReport, Report, text::decibels};
use std::fmt::Write;

/// Left edge of the bars and their greatest length, in pixels.
const LEFT: f64 = 200.0;
const LENGTH: f64 = 480.0;
const WIDTH: f64 = LEFT + LENGTH + 80.0;
/// Height of what stands above the layers, of a layer, and of each of its two bars.
const HEAD: f64 = 70.0;
const PITCH: f64 = 36.0;
const BAR: f64 = 13.0;
/// Decibels between two lines of the grid.
const GRID: usize = 20;
/// Characters of a name that fit.
const NAME: usize = 28;

const OWN: &str = "#7fb3d5";
const TOTAL: &str = "#1f4e79";

impl Report {
    /// A bar chart of every layer's SNR as an SVG file: what is left of the signal with the layer's own error alone, and
    /// with what it inherits. Longer is better.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let values = self.layers.iter().flat_map(|layer| [layer.snr_db, layer.own_snr_db]).flatten();
        let greatest = values.fold(GRID as f64, f64::max);
        let height = HEAD + PITCH * self.layers.len() as f64 + 10.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <path d=\"M0 0H{WIDTH}V{height}H0z\" fill=\"white\"/>\n"
        );
        let title = format!("{}: signal to noise by layer, dB, {} samples", self.model, self.samples);
        let _ = writeln!(svg, "<text x=\"10\" y=\"20\" font-size=\"14\">{}</text>", escape(&title));
        let _ = writeln!(svg, "<text x=\"10\" y=\"40\" fill=\"{TOTAL}\">dark: with what it inherits</text>");
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"40\" fill=\"{OWN}\">light: its own error alone</text>");
        for line in (0..=greatest as usize).step_by(GRID) {
            let x = LEFT + LENGTH * line as f64 / greatest;
            let _ = writeln!(svg, "<path d=\"M{x:.1} {HEAD}V{height}\" stroke=\"#ddd\"/>");
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{line}</text>", HEAD - 6.0);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            svg.push_str(&bars(layer, HEAD + PITCH * index as f64 + 5.0, greatest));
        }
        svg + "</svg>\n"
    }
}

/// The two bars of a layer, its name and their values.
fn bars(layer: &LayerReport, top: f64, greatest: f64) -> String {
    let name: String = layer.node.chars().take(NAME).collect();
    let (at, full) = (top + BAR + 4.0, escape(&layer.node));
    let mut svg = format!(
        "<g class=\"layer\"><title>{full}</title>\n<text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 8.0,
        escape(&name)
    );
    for (class, snr, colour, y) in [("total", layer.snr_db, TOTAL, top), ("own", layer.own_snr_db, OWN, top + BAR)] {
        let length = LENGTH * (snr.unwrap_or(0.0) / greatest).max(0.0);
        let (end, base) = (LEFT + length + 5.0, y + BAR - 3.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
             <text x=\"{end:.1}\" y=\"{base}\">{}</text>",
            decibels(snr)
        );
    }
    svg + "</g>\n"
}

/// Text for XML: names come from model files.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn names_cannot_leave_their_text() {
        assert_eq!(escape("a<b>&\"c'\u{7}"), "a&lt;b&gt;&amp;&quot;c&apos;\u{fffd}");
    }
}
