//! Static interval bounds: which quotients some input in the declared domain could reach.
//!
//! Bounds decide that every input can be proved, never that an output is unique.

use super::{Architecture, LayerWeights, NodeId, Op, Term, Window};
use crate::error::NetworkError;
use crate::integer::Interval;

/// Interval of the quotients of affine node `id` over all operands in their ranges.
///
/// Cost: one pass over the layer's weights.
///
/// # Errors
/// [`NetworkError::Overflow`] if an accumulator could leave 62 bits.
pub fn affine_quotients(
    architecture: &Architecture,
    id: NodeId,
    layer: &LayerWeights,
) -> Result<Interval, NetworkError> {
    let node = &architecture.nodes[id];
    let Op::Affine { terms, .. } = &node.op else {
        return Err(NetworkError::Parameter { node: node.name.clone(), what: "not an affine layer".into() });
    };
    let overflow = || NetworkError::Overflow { node: node.name.clone() };
    let (mut lo, mut hi) = (i128::MAX, i128::MIN);
    // Sums in any order stay within the sum of magnitudes.
    let mut magnitude = 0;
    for (o, &bias) in layer.bias.iter().enumerate() {
        let (mut a, mut b) = (i128::from(bias), i128::from(bias));
        let mut sum = a.abs();
        for (term, w) in terms.iter().zip(&layer.terms) {
            let (da, db) = term_bounds(architecture, term, w, o, layer.bias.len());
            a += da;
            b += db;
            sum += term_magnitude(architecture, term, w, o, layer.bias.len());
        }
        magnitude = magnitude.max(sum);
        lo = lo.min(a);
        hi = hi.max(b);
    }
    let half = 1i128 << (architecture.shift - 1);
    if magnitude > 1 << 61 {
        return Err(overflow());
    }
    let quotient = |acc: i128| i64::try_from((acc + half) >> architecture.shift).map_err(|_| overflow());
    Ok(Interval::new(quotient(lo)?, quotient(hi)?))
}

/// Greatest magnitude that a partial sum of one term's products can have in channel `o`.
fn term_magnitude(architecture: &Architecture, term: &Term, w: &[i64], o: usize, channels: usize) -> i128 {
    let x = magnitude(architecture.nodes[term.input()].range);
    let weights = match term {
        Term::Dense { .. } | Term::Conv { .. } => {
            let row = w.len() / channels;
            w[o * row..(o + 1) * row].iter().map(|w| i128::from(w.unsigned_abs())).sum()
        }
        Term::Scale { factor, .. } => i128::from(factor.unsigned_abs()),
        Term::SumPool { window, factor, .. } => i128::from(factor.unsigned_abs()) * elements(window),
        Term::Product { right, factor, .. } => {
            i128::from(factor.unsigned_abs()) * magnitude(architecture.nodes[*right].range)
        }
    };
    weights * x
}

fn magnitude(range: Interval) -> i128 {
    i128::from(range.lo.unsigned_abs().max(range.hi.unsigned_abs()))
}

const fn elements(window: &Window) -> i128 {
    window.kernel[0] as i128 * window.kernel[1] as i128
}

/// Extremes of one term's contribution to channel `o`.
fn term_bounds(architecture: &Architecture, term: &Term, w: &[i64], o: usize, channels: usize) -> (i128, i128) {
    let range = architecture.nodes[term.input()].range;
    let (lo, hi) = (i128::from(range.lo), i128::from(range.hi));
    let extreme = |w: i128| if w < 0 { (w * hi, w * lo) } else { (w * lo, w * hi) };
    let padded = term.window().is_some_and(|window| window.pads != [0; 4]);
    match term {
        Term::Dense { .. } | Term::Conv { .. } => {
            let row = w.len() / channels;
            w[o * row..(o + 1) * row].iter().fold((0, 0), |(a, b), &w| {
                let (x, y) = extreme(i128::from(w));
                // A padded position contributes 0, which a range without 0 would miss.
                if padded { (a + x.min(0), b + y.max(0)) } else { (a + x, b + y) }
            })
        }
        Term::Scale { factor, .. } => extreme(i128::from(*factor)),
        Term::SumPool { window, factor, .. } => {
            let (x, y) = extreme(i128::from(*factor) * elements(window));
            if padded { (x.min(0), y.max(0)) } else { (x, y) }
        }
        Term::Product { right, factor, .. } => {
            let right = architecture.nodes[*right].range;
            let corner = |x: i64, y: i64| i128::from(*factor) * i128::from(x) * i128::from(y);
            let corners = [
                corner(range.lo, right.lo),
                corner(range.lo, right.hi),
                corner(range.hi, right.lo),
                corner(range.hi, right.hi),
            ];
            corners.iter().fold((i128::MAX, i128::MIN), |(a, b), &c| (a.min(c), b.max(c)))
        }
    }
}

/// The interval to publish for a bound: each end rounded outwards to three significant bits,
/// so that it tells little about the weights.
#[must_use]
pub fn published_interval(bound: Interval) -> Interval {
    let outward = |magnitude: u64| {
        let unit = 1u64 << (64 - magnitude.leading_zeros()).saturating_sub(3);
        magnitude.div_ceil(unit) * unit
    };
    let hi = outward(bound.hi.max(1).unsigned_abs()) as i64;
    let lo = outward(bound.lo.min(-1).unsigned_abs()) as i64;
    Interval::new(-lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_intervals_cover_and_are_coarse() {
        assert_eq!(published_interval(Interval::new(-700, 1000)), Interval::new(-768, 1024));
        assert_eq!(published_interval(Interval::new(5, 5)), Interval::new(-1, 5));
        for v in 1..5000 {
            let got = published_interval(Interval::new(-v, v));
            assert!(got.hi >= v && got.hi * 4 <= v * 5 + 4, "{v} -> {got:?}");
        }
    }
}
