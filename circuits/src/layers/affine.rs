//! Affine layers: products of weights and operands on one side, quotients and remainders on the other.
//!
//! Spec: `docs/spec/machine.md#layout-of-a-layer`.

use super::Compiler;
use super::forms::FormKey;
use super::position::plane;
use crate::network::{NodeId, Op, Term};
use crate::program::{
    Cell, ChainItem, Group, Lane, Mono, NULL_TAG, ProductGeometry, SlotSource, TableKind, Val, WeightSlot,
};
use std::collections::{BTreeMap, BTreeSet};

/// A position of a layer's product polynomial, in one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coefficient {
    /// Output at this position of the plane.
    Output(usize),
    /// A rim at this offset.
    Rim(i64),
}

impl Compiler<'_> {
    pub(super) fn affine(&mut self, id: NodeId) {
        let node = &self.architecture.nodes[id];
        let Op::Affine { activation, .. } = node.op else { unreachable!("an affine node") };
        let shift = self.architecture.shift;
        let kappa = self.builder.table.tag(TableKind::Range { shift });
        let (tag, lo) = self.activation_tag(activation);
        // F = kappa (quotient - lo) + r = acc + half - kappa lo
        let half = 1i64 << (shift - 1);
        self.bias_shifts.insert(id, half - (lo << shift));
        let accumulated = self.linear(id);

        let [_, _, w] = node.dims().expect("checked");
        let q = self.forms.row_stride(id);
        let native = self.forms.native(id);
        let per_channel = node.len() / node.shape[0];
        let output = |channel: usize, position: usize| {
            let index = channel * per_channel + position;
            let offset = (position / w) as i64 * q + (position % w) as i64;
            let item = ChainItem {
                tag,
                kappa,
                lane: Lane::Requantised { node: id, index, lo },
                y_copy: None,
                x: native.and_then(|n| n.place(index)),
                y: Some(Mono::element(channel, offset)),
            };
            (Some(index), item)
        };
        let rim = |channel: usize, offset: i64| (None, rim_item(id, channel, offset, false));
        let merged = native.is_none_or(|n| n.is_row_major());
        let coefficients = self.coefficients(id, &BTreeSet::new());
        let mut items = vec![];
        if merged {
            for channel in 0..node.shape[0] {
                items.extend(coefficients.iter().map(|c| match *c {
                    Coefficient::Output(position) => output(channel, position),
                    Coefficient::Rim(offset) => rim(channel, offset),
                }));
            }
        } else {
            let order = native.expect("not merged").order();
            items.extend(order.into_iter().map(|index| output(index / per_channel, index % per_channel)));
            for channel in 0..node.shape[0] {
                items.extend(coefficients.iter().filter_map(|c| match *c {
                    Coefficient::Output(_) => None,
                    Coefficient::Rim(offset) => Some(rim(channel, offset)),
                }));
            }
        }
        let requantised = self.emit_tensor(id, &items).expect("a producer chain");
        let requantised = self.builder.absolute(requantised);
        self.builder.assert_equal(requantised, accumulated);
    }

    /// Outputs (other than those in `dropped`, which become rims) and rims of one channel, by offset.
    pub(super) fn coefficients(&mut self, id: NodeId, dropped: &BTreeSet<usize>) -> Vec<Coefficient> {
        let node = &self.architecture.nodes[id];
        let Op::Affine { terms, .. } = &node.op else { unreachable!("an affine node") };
        let [_, h, w] = node.dims().expect("checked");
        let q = self.forms.row_stride(id);
        self.geometry.insert(id, ProductGeometry { row_stride: q });
        let mut rims: BTreeSet<i64> = BTreeSet::new();
        for term in terms.iter().filter(|t| matches!(t, Term::Conv { .. })) {
            rims.extend(plane(self.architecture, id, term).support(q));
        }
        let mut all: Vec<(i64, Coefficient)> = vec![];
        for position in 0..h * w {
            let offset = (position / w) as i64 * q + (position % w) as i64;
            if dropped.contains(&position) {
                rims.insert(offset);
            } else {
                rims.remove(&offset);
                all.push((offset, Coefficient::Output(position)));
            }
        }
        all.extend(rims.into_iter().map(|offset| (offset, Coefficient::Rim(offset))));
        all.sort_by_key(|(offset, _)| *offset);
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "monomials are distinct");
        all.into_iter().map(|(_, c)| c).collect()
    }

    /// A cell that is the layer's accumulators, shifted bias included, as a polynomial in the challenges.
    pub(super) fn linear(&mut self, id: NodeId) -> Cell {
        let architecture = self.architecture;
        let Op::Affine { terms, .. } = &architecture.nodes[id].op else { unreachable!("an affine node") };
        let mut groups = vec![];
        for (index, term) in terms.iter().enumerate() {
            match term {
                Term::Dense { input } => self.dense(id, index, *input, &mut groups),
                Term::Conv { .. } => self.convolution(id, index, term, &mut groups),
                Term::Scale { .. } | Term::SumPool { .. } => {}
            }
        }
        groups.push(self.bias(id));
        let sum = self.builder.products(&groups);
        let mut sum = self.builder.absolute(sum);
        for term in terms {
            let dims = architecture.nodes[id].dims().expect("checked");
            let operand_dims = architecture.nodes[term.input()].dims().unwrap_or(dims);
            let (key, factor) = match term {
                Term::Scale { input, factor } => (FormKey::phases(architecture, *input, dims, [1, 1]), *factor),
                Term::SumPool { input, kernel, factor } => {
                    (FormKey::windows(architecture, *input, operand_dims, *kernel, true), *factor)
                }
                _ => continue,
            };
            let total = self.total_form(&key);
            let factor = self.builder.constant(factor);
            sum = self.builder.accumulate(total, factor, sum);
        }
        sum
    }

    fn blocks(&self, id: NodeId) -> std::iter::Rev<std::ops::Range<usize>> {
        (0..self.architecture.nodes[id].shape[0].div_ceil(self.lanes)).rev()
    }

    /// The weights of every output channel at `source`, times `mono`, highest block first.
    fn slots(&self, id: NodeId, source: SlotSource, mono: Mono) -> Vec<(WeightSlot, Mono)> {
        self.blocks(id)
            .map(|block| {
                let slot = WeightSlot { node: id, block, source };
                (slot, Mono::channel((block * self.lanes) as i64) * mono)
            })
            .collect()
    }

    fn dense(&self, id: NodeId, term: usize, input: NodeId, groups: &mut Vec<Group>) {
        for (index, cell) in self.tensors[input].iter().enumerate() {
            groups.push(Group {
                items: self.slots(id, SlotSource::Term { term, index }, Mono::ONE),
                operand: Val { cell: *cell, mono: Mono::ONE },
            });
        }
    }

    fn convolution(&self, id: NodeId, index: usize, term: &Term, groups: &mut Vec<Group>) {
        let Term::Conv { input, kernel, strides, .. } = term else { unreachable!("a convolution") };
        let plane = plane(self.architecture, id, term);
        let q = self.forms.row_stride(id);
        let dims = self.architecture.nodes[*input].dims().expect("validated");
        let key = FormKey::phases(self.architecture, *input, dims, *strides);
        for channel in 0..dims[0] {
            let mut phases: BTreeMap<(usize, usize), Vec<(SlotSource, Mono)>> = BTreeMap::new();
            for (a, b) in (0..kernel[0]).flat_map(|a| (0..kernel[1]).map(move |b| (a, b))) {
                let ((al, ta), (be, tb)) = (plane.rows.tap(a), plane.cols.tap(b));
                let source = SlotSource::Term { term: index, index: (channel * kernel[0] + a) * kernel[1] + b };
                phases.entry((al, be)).or_default().push((source, Mono::element(0, -(ta * q + tb))));
            }
            for ((al, be), mut cells) in phases {
                if plane.rows.phase_len(al) == 0 || plane.cols.phase_len(be) == 0 {
                    continue;
                }
                // Descending exponents of u, block by block.
                cells.sort_by_key(|(_, mono)| std::cmp::Reverse(mono.position));
                let blocks = self.blocks(id).flat_map(|block| {
                    let shift = Mono::channel((block * self.lanes) as i64);
                    cells.iter().map(move |&(source, mono)| (WeightSlot { node: id, block, source }, shift * mono))
                });
                groups.push(Group { items: blocks.collect(), operand: self.channel_form(&key, channel, [al, be]) });
            }
        }
    }

    /// Biases times the sum of all outputs' positions.
    fn bias(&mut self, id: NodeId) -> Group {
        let [_, h, w] = self.architecture.nodes[id].dims().expect("checked");
        let q = self.forms.row_stride(id);
        let rows = self.builder.geometric(Mono::position(-q), h);
        let cols = self.builder.geometric(Mono::position(-1), w);
        let cell = if h == 1 {
            cols
        } else if w == 1 {
            rows
        } else {
            self.builder.multiply(rows, cols)
        };
        Group { items: self.slots(id, SlotSource::Bias, Mono::ONE), operand: Val { cell, mono: Mono::ONE } }
    }
}

/// A row that holds a coefficient of the product polynomial that is no output.
pub(super) fn rim_item(node: NodeId, channel: usize, offset: i64, negative: bool) -> ChainItem {
    ChainItem {
        tag: NULL_TAG,
        kappa: 0,
        lane: Lane::Rim { node, channel, offset, negative },
        y_copy: None,
        x: None,
        y: Some(Mono::element(channel, offset)),
    }
}
