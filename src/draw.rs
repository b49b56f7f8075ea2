//! Drawings of a circuit, as SVG: which tensor lives where.

use inferproof_circuits::network::Architecture;
use inferproof_circuits::program::{Program, RowUse, TableKind};
use std::fmt::Write;

/// Rows are wrapped into this many strips.
const STRIPS: usize = 32;
/// Width of a strip, and height of the drawing, in pixels.
const STRIP_WIDTH: f64 = 22.0;
const HEIGHT: f64 = 720.0;
const MARGIN: f64 = 16.0;
const LEGEND_WIDTH: f64 = 420.0;
const LINE: f64 = 15.0;

/// The rows of a program from top to bottom, strip by strip from left to right, a colour for each tensor and a shade for
/// each use; in the narrow part of a strip the table. Hovering over a run says what it is.
///
/// Shows the architecture only, nothing of the weights.
#[must_use]
pub fn layout(program: &Program, architecture: &Architecture) -> String {
    let rows = 1usize << program.k;
    let per_strip = rows.div_ceil(STRIPS.min(rows));
    let strips = rows.div_ceil(per_strip);
    let legend_left = 2.0 * MARGIN + strips as f64 * STRIP_WIDTH;
    let usage = program.usage();
    let height = (HEIGHT + 3.0 * MARGIN).max(3.0 * MARGIN + LINE * (usage.len() + 3) as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        legend_left + LEGEND_WIDTH
    );
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{MARGIN}\">2^{} rows, {} of them the program's, {} of the table; {} weight lanes</text>",
        program.k,
        program.rows.len(),
        program.table.rows().len(),
        program.layout.lanes
    );
    let canvas = Canvas { per_strip };
    canvas.rectangle(&mut svg, 0..rows, "#f1f1f1", "no use", 0.0, 1.0);
    for run in program.runs() {
        let name = run.node.map_or("-", |node| architecture.nodes[node].name.as_str());
        let title = format!("rows {}..{}: {} {}", run.rows.start, run.rows.end, run.what.name(), escape(name));
        canvas.rectangle(&mut svg, run.rows, &colour(run.node, run.what), &title, 0.0, 0.8);
    }
    let mut first = 0;
    for (index, (tag, kind)) in program.table.kinds().enumerate() {
        let entries = program.table.rows().iter().filter(|row| row.0 == tag).count();
        let shade = if index % 2 == 0 { "#888" } else { "#bbb" };
        let title = format!("table: {} entries, {}", entries, table_name(&kind));
        let start = program.table.rows().iter().position(|row| row.0 == tag).unwrap_or(first);
        canvas.rectangle(&mut svg, start..start + entries, shade, &title, 0.84, 0.16);
        first = start + entries;
    }
    legend(&mut svg, program, architecture, legend_left);
    svg.push_str("</svg>\n");
    svg
}

struct Canvas {
    per_strip: usize,
}

impl Canvas {
    /// Rows as one rectangle a strip they touch, in a part of its width.
    fn rectangle(
        &self,
        svg: &mut String,
        rows: std::ops::Range<usize>,
        fill: &str,
        title: &str,
        left: f64,
        width: f64,
    ) {
        let mut start = rows.start;
        while start < rows.end {
            let strip = start / self.per_strip;
            let end = rows.end.min((strip + 1) * self.per_strip);
            let scale = HEIGHT / self.per_strip as f64;
            let (x, y) = (
                MARGIN + (strip as f64 + left) * STRIP_WIDTH,
                2.0 * MARGIN + (start - strip * self.per_strip) as f64 * scale,
            );
            let (w, h) = (width * STRIP_WIDTH - 1.0, (end - start) as f64 * scale);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.2}\" width=\"{w:.1}\" height=\"{h:.2}\" fill=\"{fill}\"><title>{title}</title></rect>"
            );
            start = end;
        }
    }
}

/// One line a tensor and use, by rows.
fn legend(svg: &mut String, program: &Program, architecture: &Architecture, left: f64) {
    let mut usage: Vec<_> = program.usage().into_iter().collect();
    usage.sort_by_key(|(key, rows)| (std::cmp::Reverse(*rows), *key));
    for (line, ((node, what), rows)) in usage.into_iter().enumerate() {
        let y = 2.0 * MARGIN + LINE * (line + 1) as f64;
        let name = node.map_or("", |node| architecture.nodes[node].name.as_str());
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{}\"/>\
             <text x=\"{:.0}\" y=\"{y:.0}\">{rows} rows: {} {}</text>",
            y - 9.0,
            colour(node, what),
            left + 16.0,
            what.name(),
            escape(name)
        );
    }
}

/// A hue for each node, a lightness for each use.
fn colour(node: Option<usize>, what: RowUse) -> String {
    let Some(node) = node else {
        return if what == RowUse::Spacers { "#ddd".into() } else { "#555".into() };
    };
    // Neighbouring nodes get hues far apart.
    let hue = node * 137 % 360;
    let lightness = match what {
        RowUse::Weights => 35,
        RowUse::Values => 50,
        RowUse::Comparisons => 60,
        RowUse::Copies => 70,
        _ => 82,
    };
    format!("hsl({hue},70%,{lightness}%)")
}

fn table_name(kind: &TableKind) -> String {
    match kind {
        TableKind::Zero => "zero".into(),
        TableKind::Range { shift } => format!("range of {shift} bits"),
        TableKind::Constant { value } => format!("constant {value}"),
        TableKind::Function { activation, .. } => format!("function {}", escape(&format!("{:?}", activation.function))),
        TableKind::Difference { .. } => "differences".into(),
        TableKind::Before { .. } => "differences before a maximum".into(),
        TableKind::Excess { .. } => "blocks".into(),
    }
}

/// Names come from files.
fn escape(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
