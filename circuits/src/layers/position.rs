//! Exponents of positions: which row stride keeps an identity of polynomials an identity of tensors.
//!
//! Spec: `docs/spec/machine.md#convolution`.

use crate::network::{Architecture, NodeId, Op, Term};
use std::collections::{BTreeSet, HashSet};

/// The inputs of a proof. Element `i` of a tensor of `len` elements is element `b len + i` for input `b`, and its exponent is `b stride` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub count: usize,
    pub stride: i64,
}

impl Batch {
    pub(crate) const ONE: Self = Self { count: 1, stride: 1 };

    /// The exponents that every input has, from that of the first on.
    pub(crate) fn shifts(self) -> impl Iterator<Item = (usize, i64)> {
        (0..self.count).map(move |input| (input, self.shift(input)))
    }

    /// By how much the exponents of an input are more than those of the first.
    pub(crate) const fn shift(self, input: usize) -> i64 {
        input as i64 * self.stride
    }
}

/// One axis of windows over a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Axis {
    pub size: usize,
    pub kernel: usize,
    /// Distance of neighbouring kernel cells.
    pub dilation: usize,
    pub stride: usize,
    /// Padding before the first element.
    pub before: usize,
    /// Length of the output.
    pub out: usize,
}

impl Axis {
    /// Kernel cell `a` reads phase `al` at offset `a'`: `dilation a - before = stride a' + al`.
    pub(crate) fn tap(&self, a: usize) -> (usize, i64) {
        let shifted = (a * self.dilation) as i64 - self.before as i64;
        let stride = self.stride as i64;
        (shifted.rem_euclid(stride) as usize, shifted.div_euclid(stride))
    }

    /// Number of elements in phase `al`.
    pub(crate) const fn phase_len(&self, al: usize) -> usize {
        self.size.saturating_sub(al).div_ceil(self.stride)
    }

    /// Kernel cells whose phase has elements.
    fn taps(&self) -> usize {
        (0..self.kernel).filter(|a| self.phase_len(self.tap(*a).0) > 0).count()
    }

    /// The offsets `i'' - a'` at which kernel cells meet elements, as intervals.
    fn supports(&self) -> Vec<(i64, i64)> {
        let mut taps: Vec<(usize, i64)> = (0..self.kernel).map(|a| self.tap(a)).collect();
        // Descending taps of a phase give ascending intervals, which mostly overlap.
        taps.sort_by_key(|&(phase, tap)| (phase, -tap));
        let mut all: Vec<(usize, i64, i64)> = vec![];
        for (phase, tap) in taps.into_iter().filter(|(phase, _)| self.phase_len(*phase) > 0) {
            let (low, high) = (-tap, self.phase_len(phase) as i64 - 1 - tap);
            match all.last_mut() {
                Some(last) if last.0 == phase && low <= last.2 + 1 => last.2 = high,
                _ => all.push((phase, low, high)),
            }
        }
        all.into_iter().map(|(_, low, high)| (low, high)).collect()
    }

    /// The same offsets as disjoint intervals, ascending.
    fn reach(&self) -> Vec<(i64, i64)> {
        let mut supports = self.supports();
        supports.sort_unstable();
        let mut reach: Vec<(i64, i64)> = vec![];
        for (low, high) in supports {
            match reach.last_mut() {
                Some(last) if low <= last.1 + 1 => last.1 = last.1.max(high),
                _ => reach.push((low, high)),
            }
        }
        reach
    }

    /// How many offsets there are.
    fn reach_len(&self) -> usize {
        self.reach().into_iter().map(|(low, high)| high.abs_diff(low) as usize + 1).sum()
    }

    /// `max |i'' - a' - i|` over all phases, kernel cells and outputs: two positions of this axis
    /// differ by no more.
    pub(crate) fn spread(&self) -> i64 {
        self.supports().into_iter().map(|(lo, hi)| hi.max(self.out as i64 - 1 - lo)).max().unwrap_or(0)
    }
}

/// The two axes of windows over a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plane {
    pub rows: Axis,
    pub cols: Axis,
}

impl Plane {
    /// Least row stride that is sound: more than the columns' spread, and distinct outputs.
    pub(crate) fn least_row_stride(&self) -> i64 {
        (self.cols.spread() + 1).max(self.cols.out as i64)
    }

    /// At most as many as [`Self::support`] has offsets, whatever the row stride: a sound one lets two pairs of positions share an offset, as
    /// columns reach over less than two row strides.
    pub(crate) fn least_support(&self) -> usize {
        self.pairs().div_ceil(2)
    }

    /// Kernel cells whose phase has elements: the others have no row.
    pub(crate) fn taps(&self) -> usize {
        self.rows.taps().saturating_mul(self.cols.taps())
    }

    /// Pairs of a row's and a column's offset: what [`Self::support`] looks at.
    pub(crate) fn pairs(&self) -> usize {
        self.rows.reach_len().saturating_mul(self.cols.reach_len())
    }

    /// Offsets of all coefficients that can be non-zero, for row stride `q`.
    pub(crate) fn support(&self, q: i64) -> BTreeSet<i64> {
        let mut offsets = BTreeSet::new();
        let cols = self.cols.reach();
        for (i0, i1) in self.rows.reach() {
            for &(j0, j1) in &cols {
                offsets.extend((i0..=i1).flat_map(|i| (j0..=j1).map(move |j| i * q + j)));
            }
        }
        offsets
    }
}

/// The two axes of a term of layer `id` that has windows.
pub(crate) fn plane(architecture: &Architecture, id: NodeId, term: &Term) -> Plane {
    let window = term.window().expect("a term with windows");
    let out = architecture.nodes[id].dims().expect("validated");
    let operand = architecture.nodes[term.input()].dims().expect("validated");
    let axis = |a: usize| Axis {
        size: operand[a + 1],
        kernel: window.kernel[a],
        dilation: window.dilations[a],
        stride: window.strides[a],
        before: window.pads[a],
        out: out[a + 1],
    };
    Plane { rows: axis(0), cols: axis(1) }
}

/// The planes of the terms of layer `id` that are polynomials in positions, each once.
pub(crate) fn planes(architecture: &Architecture, id: NodeId) -> HashSet<Plane> {
    let Op::Affine { terms, .. } = &architecture.nodes[id].op else { return HashSet::new() };
    terms.iter().filter(|term| term.is_polynomial()).map(|term| plane(architecture, id, term)).collect()
}

/// What is left of `budget` after what has to be looked at to find the offsets of all layers: the kernel's cells along each axis for every term with
/// windows, and for every plane pairs of offsets. `None` if it is not enough.
pub(crate) fn window_work(architecture: &Architecture, mut budget: usize) -> Option<usize> {
    let terms = architecture.nodes.iter().filter_map(|node| match &node.op {
        Op::Affine { terms, .. } => Some(terms),
        _ => None,
    });
    for window in terms.flatten().filter_map(Term::window) {
        budget = budget.checked_sub(window.kernel.iter().sum())?;
    }
    for id in 0..architecture.nodes.len() {
        for plane in planes(architecture, id) {
            budget = budget.checked_sub(plane.pairs())?;
        }
    }
    Some(budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every product term, with its exponent and the output it belongs to, if any.
    fn terms(plane: &Plane, q: i64) -> Vec<(i64, Option<(usize, usize)>)> {
        let mut all = vec![];
        let Plane { rows, cols } = plane;
        for (x, a) in (0..rows.size).flat_map(|x| (0..rows.kernel).map(move |a| (x, a))) {
            let (al, ta) = rows.tap(a);
            if x % rows.stride != al {
                continue;
            }
            for (y, b) in (0..cols.size).flat_map(|y| (0..cols.kernel).map(move |b| (y, b))) {
                let (be, tb) = cols.tap(b);
                if y % cols.stride != be {
                    continue;
                }
                let exponent = ((x / rows.stride) as i64 - ta) * q + (y / cols.stride) as i64 - tb;
                let owner = |x: usize, a: usize, axis: &Axis| {
                    let start = (x + axis.before).checked_sub(a * axis.dilation)?;
                    (start % axis.stride == 0 && start / axis.stride < axis.out).then_some(start / axis.stride)
                };
                all.push((exponent, owner(x, a, rows).zip(owner(y, b, cols))));
            }
        }
        all
    }

    /// Whether each output's coefficient collects exactly its own products.
    fn exact(plane: &Plane, q: i64) -> bool {
        let outputs = |e: i64| {
            (0..plane.rows.out)
                .flat_map(|i| (0..plane.cols.out).map(move |j| (i, j)))
                .filter(move |(i, j)| *i as i64 * q + *j as i64 == e)
                .collect::<Vec<_>>()
        };
        terms(plane, q).into_iter().all(|(e, owner)| outputs(e) == owner.into_iter().collect::<Vec<_>>())
    }

    fn axis() -> impl Strategy<Value = Axis> {
        (1usize..8, 1usize..5, 1usize..4, 1usize..4, 0usize..3, 0usize..3).prop_filter_map(
            "the kernel fits",
            |(size, kernel, dilation, stride, before, after)| {
                let room = (size + before + after).checked_sub((kernel - 1) * dilation + 1)?;
                Some(Axis { size, kernel, dilation, stride, before, out: room / stride + 1 })
            },
        )
    }

    proptest! {
        #[test]
        fn the_least_stride_is_sound(rows in axis(), cols in axis(), extra in 0i64..3) {
            let plane = Plane { rows, cols };
            prop_assert!(exact(&plane, plane.least_row_stride() + extra));
        }

        #[test]
        fn the_support_is_every_term(rows in axis(), cols in axis()) {
            let plane = Plane { rows, cols };
            let q = plane.least_row_stride();
            let got: BTreeSet<i64> = terms(&plane, q).into_iter().map(|(e, _)| e).collect();
            for stride in q..q + 4 {
                prop_assert!(plane.support(stride).len() >= plane.least_support());
            }
            prop_assert_eq!(plane.support(q), got);
        }
    }

    #[test]
    fn one_less_mixes_outputs() {
        let axis = |size, before, out| Axis { size, kernel: 5, dilation: 1, stride: 1, before, out };
        let lenet = Plane { rows: axis(28, 2, 28), cols: axis(28, 2, 28) };
        assert_eq!(lenet.least_row_stride(), 30);
        assert!(exact(&lenet, 30) && !exact(&lenet, 29));
        assert_eq!(lenet.support(30).len(), 962);
        let valid = Plane { rows: axis(14, 0, 10), cols: axis(14, 0, 10) };
        assert_eq!(valid.least_row_stride(), 14);
        assert!(!exact(&valid, 13));
    }
}
