//! Which row stride each group of layers has.
//!
//! Its least one is what keeps the group's identities sound. A larger one is as sound, and may save rows: where a tensor's two chains have
//! strides at which they step alike from one image row to the next, the row needs no spacer for two multipliers. It may cost rims
//! too, as fewer coefficients share an exponent. Spec: `docs/spec/machine.md#row-strides`.

use super::{FormKey, Forms, NativeForm};
use crate::layers::affine::{Coefficient, coefficients, position_offset};
use crate::network::{Architecture, NodeId, Op};
use crate::program::{ChainItem, Lane, Layout, Mono, chain_rows};
use std::collections::{BTreeMap, BTreeSet};

/// Passes over all groups; few networks change after the second.
const SWEEPS: usize = 4;
/// Greatest stride, of the least one: exponents stay small, however many layers follow each other.
const MOST: i64 = 64;
/// Elements of a channel from which on a tensor is left as it is.
const MAX_PLANE: usize = 1 << 16;

/// An affine layer, whose rows depend on the strides of two groups.
struct Layer {
    id: NodeId,
    producer: usize,
    /// Group of the native form, and the form.
    consumer: Option<(usize, FormKey, bool)>,
}

/// Rows of each layer under two row strides.
type Known = BTreeMap<(NodeId, i64, i64), usize>;

impl Forms {
    /// Takes for each group in turn the stride that needs least rows: its least one, or one at which two chains step alike.
    pub(super) fn choose_row_strides(&mut self, architecture: &Architecture, layout: Layout) {
        let layers = self.affine_layers(architecture);
        let groups: BTreeSet<usize> = (0..self.parents.len()).map(|group| self.root(group)).collect();
        let least = self.row_strides.clone();
        let mut known = Known::new();
        for _ in 0..SWEEPS {
            let before = self.row_strides.clone();
            for &group in &groups {
                let touched: Vec<&Layer> = layers.iter().filter(|layer| layer.touches(group)).collect();
                let alike = touched.iter().filter_map(|layer| layer.alike(group, &self.row_strides));
                let strides: BTreeSet<i64> = alike.chain([least[group]]).collect();
                let mut rows = |stride: i64| -> usize {
                    self.row_strides[group] = stride;
                    touched.iter().map(|layer| self.rows(architecture, layout, layer, &mut known)).sum()
                };
                let allowed = least[group]..=MOST * least[group];
                let sound = strides.into_iter().filter(|stride| allowed.contains(stride));
                let best = sound.map(|stride| (rows(stride), stride)).min().expect("the least one is sound");
                self.row_strides[group] = best.1;
            }
            if self.row_strides == before {
                break;
            }
        }
    }

    fn affine_layers(&self, architecture: &Architecture) -> Vec<Layer> {
        let small = |id: NodeId| architecture.nodes[id].dims().is_some_and(|[_, h, w]| h * w <= MAX_PLANE);
        let ids = (0..architecture.nodes.len()).filter(|id| matches!(architecture.nodes[*id].op, Op::Affine { .. }));
        let layer = |id: NodeId| {
            // Under a maximum the layer's own rows have another consumer chain.
            let native = self.forms.iter().find(|form| form.native && form.key.node == id);
            let native = native.filter(|_| self.fused_into(id).is_none());
            let consumer = native.map(|form| (self.root(form.group), form.key, form.per_channel));
            Layer { id, producer: self.root(self.layers[&id]), consumer }
        };
        ids.filter(|id| small(*id)).map(layer).collect()
    }

    /// Rows of a layer's values and rims.
    fn rows(&self, architecture: &Architecture, layout: Layout, layer: &Layer, known: &mut Known) -> usize {
        let q = self.row_strides[layer.producer];
        let native =
            layer.consumer.map(|(group, key, per_channel)| NativeForm { key, q: self.row_strides[group], per_channel });
        *known.entry((layer.id, q, native.map_or(0, |native| native.q))).or_insert_with(|| {
            let coefficients = coefficients(architecture, layer.id, q, &BTreeSet::new());
            let [channels, h, w] = architecture.nodes[layer.id].dims().expect("checked");
            let channel = |number: usize| values(&coefficients, [h, w], q, native, number, layout.limb.is_some());
            // Every further channel is like the second.
            let first = channel(1);
            let further = if channels > 1 { channel(2) - first } else { 0 };
            let limbs = if layout.limb.is_some() { channels * coefficients.len() } else { 0 };
            first + (channels - 1) * further + limbs
        })
    }
}

impl Layer {
    fn touches(&self, group: usize) -> bool {
        self.producer == group || self.consumer.is_some_and(|(consumer, ..)| consumer == group)
    }

    /// The stride of `group` at which both chains step alike from row to row, given the other's.
    ///
    /// Rows of a phase have `n` elements, which are `s` columns apart for the producer: `Qx - (n - 1) = s' Qy - s (n - 1)`, `s'` the rows' stride.
    fn alike(&self, group: usize, strides: &[i64]) -> Option<i64> {
        let (consumer, key, _) = self.consumer?;
        let [down, across] = key.strides.map(|stride| stride as i64);
        let skipped = (across - 1) * (key.dims[2].div_ceil(key.strides[1]) as i64 - 1);
        if consumer == group {
            Some(down * strides[self.producer] - skipped)
        } else {
            let sum = strides[consumer] + skipped;
            (sum % down == 0).then_some(sum / down)
        }
    }
}

/// Rows of the values of `channels` channels; in limbs, rims are elsewhere.
fn values(
    coefficients: &[Coefficient],
    [h, w]: [usize; 2],
    q: i64,
    native: Option<NativeForm>,
    channels: usize,
    in_limbs: bool,
) -> usize {
    let item = |lane, x, y| ChainItem { tag: 0, kappa: 0, lane, y_copy: None, x, y: Some(y) };
    let output = |channel: usize, position: usize| {
        let x = native.and_then(|native| native.place(channel * h * w + position));
        item(Lane::Idle, x, Mono::element(channel, position_offset(position, w, q)))
    };
    let rim = |channel: usize, offset: i64| {
        let lane = Lane::Rim { node: 0, channel, offset, negative: false };
        item(lane, None, Mono::element(channel, offset))
    };
    let in_order = native.is_none_or(|native| native.is_row_major());
    let mut items = vec![];
    if !in_order {
        let order = native.map(|native| native.order()).unwrap_or_default();
        items.extend(order.into_iter().filter(|i| *i < channels * h * w).map(|i| output(i / (h * w), i % (h * w))));
    }
    for channel in 0..channels {
        items.extend(coefficients.iter().filter_map(|coefficient| match *coefficient {
            Coefficient::Output(position) => in_order.then(|| output(channel, position)),
            Coefficient::Rim(offset) => (!in_limbs).then(|| rim(channel, offset)),
        }));
    }
    chain_rows(&items)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::Interval;
    use crate::layers::compile;
    use crate::program::Program;
    use crate::testing::{NetworkBuilder, RELU8, SIGNED8, conv};

    /// A convolution of 1x1 that a 3x3 one of stride 2 reads.
    fn strided() -> NetworkBuilder {
        let mut b = NetworkBuilder::new(&[1, 8, 8], Interval::new(0, 15), 41);
        let first = b.affine(&[3, 8, 8], RELU8, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
        b.affine(&[2, 4, 4], SIGNED8, vec![conv(first, [3, 3], [2, 2], [1; 4])]);
        b
    }

    /// The rows from a layer's first value to its last one or rim, and the one that ends its chains.
    fn emitted(program: &Program, id: NodeId) -> usize {
        let of = |lane: &Lane| match *lane {
            Lane::Requantised { node, .. } | Lane::Rim { node, .. } => node == id,
            _ => false,
        };
        let rows: Vec<usize> = (0..program.rows.len()).filter(|row| of(&program.rows[*row].lane)).collect();
        rows.last().unwrap() - rows[0] + 2
    }

    #[test]
    fn predicted_rows_are_those_that_are_emitted() {
        let mut b = strided();
        let last = b.affine(&[2, 4, 4], SIGNED8, vec![conv(2, [3, 3], [1, 1], [1; 4])]);
        b.affine(&[2, 4, 4], SIGNED8, vec![conv(last, [1, 1], [1, 1], [0; 4])]);
        let layout = Layout::direct(2);
        let program = compile(&b.architecture, layout).unwrap();
        let forms = Forms::plan(&b.architecture, layout).unwrap();
        for layer in forms.affine_layers(&b.architecture) {
            let rows = forms.rows(&b.architecture, layout, &layer, &mut Known::new());
            assert_eq!(rows, emitted(&program, layer.id), "layer {}", layer.id);
        }
    }

    /// Phases of four columns of an image of eight: the consumer's rows are 13 apart, not 5, and the producer needs no spacers.
    #[test]
    fn a_stride_is_chosen_for_fewer_rows() {
        let b = strided();
        let forms = Forms::plan(&b.architecture, Layout::direct(2)).unwrap();
        assert_eq!([1, 2].map(|layer| forms.row_stride(layer)), [8, 13]);
        let rows = |strides: [i64; 2]| -> usize {
            let mut forms = forms.clone();
            for (layer, stride) in [1, 2].into_iter().zip(strides) {
                let root = forms.root(forms.layers[&layer]);
                forms.row_strides[root] = stride;
            }
            let layers = forms.affine_layers(&b.architecture);
            layers.iter().map(|l| forms.rows(&b.architecture, Layout::direct(2), l, &mut Known::new())).sum()
        };
        assert!(rows([8, 13]) < rows([8, 5]), "{} and {}", rows([8, 13]), rows([8, 5]));
        // Where it gains nothing the least one stays.
        let mut b = NetworkBuilder::new(&[1, 6, 6], Interval::new(0, 15), 42);
        b.affine(&[1, 6, 6], SIGNED8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
        let forms = Forms::plan(&b.architecture, Layout::direct(2)).unwrap();
        assert_eq!(forms.row_stride(1), 7);
    }
}
