//! Which row stride each group of layers has.
//!
//! Its least one is what keeps the group's identities sound. A larger one is as sound, and may save rows: where a tensor's two chains have
//! strides at which they step alike from one image row to the next, the row needs no spacer for two multipliers. It may cost rims
//! too, as fewer coefficients share an exponent. Spec: `docs/spec/machine.md#row-strides`.

use super::{FormKey, Forms, NativeForm};
use crate::layers::affine::{Coefficient, coefficients, position_offset};
use crate::layers::position::{Batch, Plane, planes};
use crate::machine::Shape;
use crate::network::{Architecture, NodeId, Op};
use crate::program::{ChainItem, Lane, Layout, Mono, chain_rows};
use std::collections::{BTreeMap, BTreeSet};

/// Passes over all groups; few networks change after the second.
const SWEEPS: usize = 4;
/// Strides that are tried for a group in a pass.
const CANDIDATES: usize = 8;
/// Greatest stride, of the least one: exponents stay small, however many layers follow each other.
const MOST: i64 = 64;
/// Elements of a channel up to which a layer's rows are counted.
const MAX_PLANE: usize = 1 << 16;
/// Elements that are looked at in all, two channels a count: a compilation takes no longer for the search, whatever the network.
const BUDGET: usize = 1 << 24;

/// An affine layer, whose rows depend on the strides of two groups.
struct Layer {
    id: NodeId,
    producer: usize,
    /// Group of the native form, and the form.
    consumer: Option<(usize, FormKey, bool)>,
    /// Whether two elements may share a row.
    paired: bool,
}

/// Rows of layers under two row strides, and how much more may be counted.
struct Counts {
    known: BTreeMap<(NodeId, i64, i64), usize>,
    budget: usize,
}

impl Forms {
    /// Takes for each group in turn the stride that needs least rows: its least one, or one at which two chains step alike.
    pub(super) fn choose_row_strides(&mut self, architecture: &Architecture, layout: Layout) {
        let (layers, kept) = (self.affine_layers(architecture, layout), self.kept(architecture));
        let mut groups: BTreeMap<usize, Vec<&Layer>> = BTreeMap::new();
        for layer in &layers {
            for group in layer.groups().filter(|group| !kept.contains(group)) {
                groups.entry(group).or_default().push(layer);
            }
        }
        let least = self.row_strides.clone();
        let mut counts = Counts { known: BTreeMap::new(), budget: BUDGET };
        for _ in 0..SWEEPS {
            let before = self.row_strides.clone();
            for (&group, touched) in &groups {
                let allowed = least[group]..=MOST * least[group];
                let alike = touched.iter().filter_map(|layer| layer.alike(group, &self.row_strides));
                let alike: BTreeSet<i64> = alike.filter(|stride| allowed.contains(stride)).collect();
                if alike.iter().all(|stride| *stride == least[group]) && self.row_strides[group] == least[group] {
                    continue;
                }
                let strides = [least[group]].into_iter().chain(alike.into_iter().take(CANDIDATES));
                let mut best: Option<(usize, i64)> = None;
                for stride in strides {
                    self.row_strides[group] = stride;
                    let rows = touched.iter().map(|layer| self.rows(architecture, layout, layer, &mut counts));
                    let Some(rows) = rows.sum::<Option<usize>>() else {
                        // Out of budget: what is chosen stays.
                        self.row_strides[group] = before[group];
                        return;
                    };
                    best = Some(best.map_or((rows, stride), |best| best.min((rows, stride))));
                }
                self.row_strides[group] = best.expect("the least one").1;
            }
            if self.row_strides == before {
                break;
            }
        }
    }

    /// Groups that keep their least stride: of layers under a maximum, maxima and searches, whose other chains are not counted here, of
    /// large layers, and of what reads the network's input, whose bytes are a chain of another kind.
    fn kept(&self, architecture: &Architecture) -> BTreeSet<usize> {
        let other = |id: &NodeId| {
            let node = &architecture.nodes[*id];
            let affine = matches!(node.op, Op::Affine { .. });
            !affine || self.fused_into(*id).is_some() || !is_small(architecture, *id)
        };
        let layers = self.layers.iter().filter(|(id, _)| other(id)).map(|(_, group)| *group);
        let input = self.forms.iter().filter(|form| form.native && form.key.node == 0).map(|form| form.group);
        layers.chain(input).map(|group| self.root(group)).collect()
    }

    fn affine_layers(&self, architecture: &Architecture, layout: Layout) -> Vec<Layer> {
        let natives = self.forms.iter().filter(|form| form.native);
        let natives: BTreeMap<NodeId, &super::Form> = natives.map(|form| (form.key.node, form)).collect();
        let layer = |id: NodeId| {
            let consumer = natives.get(&id).map(|form| (self.root(form.group), form.key, form.per_channel));
            let paired = layout.shape == Shape::Paired && !self.is_read(id);
            Layer { id, producer: self.root(self.layers[&id]), consumer, paired }
        };
        let affine = |id: &NodeId| matches!(architecture.nodes[*id].op, Op::Affine { .. });
        let counted = |id: &NodeId| affine(id) && self.fused_into(*id).is_none() && is_small(architecture, *id);
        (0..architecture.nodes.len()).filter(counted).map(layer).collect()
    }

    /// Rows of a layer's values and rims; `None` once the budget is used up.
    fn rows(&self, architecture: &Architecture, layout: Layout, layer: &Layer, counts: &mut Counts) -> Option<usize> {
        let q = self.row_strides[layer.producer];
        let native = layer.consumer.map(|(group, key, per_channel)| NativeForm {
            key,
            q: self.row_strides[group],
            batch: Batch::ONE,
            per_channel,
        });
        let key = (layer.id, q, native.map_or(0, |native| native.q));
        if let Some(rows) = counts.known.get(&key) {
            return Some(*rows);
        }
        let [channels, h, w] = architecture.nodes[layer.id].dims().expect("checked");
        let looked_at: usize = planes(architecture, layer.id).iter().map(Plane::pairs).sum();
        counts.budget = counts.budget.checked_sub(2 * (h * w + looked_at))?;
        let coefficients = coefficients(architecture, layer.id, q, &BTreeSet::new());
        let read = self.is_read(layer.id);
        let limbed = layout.limb_of(architecture, layer.id).is_some();
        let channel = |number: usize| values(&coefficients, [h, w], q, native, number, [read, limbed], layout.shape);
        // Every further channel is like the second.
        let first = channel(1);
        let further = if channels > 1 { channel(2) - first } else { 0 };
        let rims = coefficients.iter().filter(|c| matches!(c, Coefficient::Rim(_))).count();
        let outputs = coefficients.len() - rims;
        // What stands elsewhere: summed rims, and with limbs all rims and the lowest limb.
        let elsewhere = match layout.shape {
            Shape::Single if limbed => channels * coefficients.len(),
            Shape::Single => 0,
            Shape::Paired if limbed => channels * outputs.div_ceil(2) + rims,
            Shape::Paired => rims,
        };
        let rows = first + (channels - 1) * further + elsewhere;
        counts.known.insert(key, rows);
        Some(rows)
    }
}

fn is_small(architecture: &Architecture, id: NodeId) -> bool {
    architecture.nodes[id].dims().is_some_and(|[_, h, w]| h * w <= MAX_PLANE)
}

impl Layer {
    /// One group, or two.
    fn groups(&self) -> impl Iterator<Item = usize> {
        let consumer = self.consumer.map(|(group, ..)| group).filter(|group| *group != self.producer);
        [Some(self.producer), consumer].into_iter().flatten()
    }

    /// The stride of `group` at which both chains step alike from row to row, given the other's.
    ///
    /// Rows of a phase have `n` elements, which are `s` columns apart for the producer: `Qx - (n - 1) = s' Qy - s (n - 1)`, `s'` the rows' stride. Where two
    /// that are two columns apart share a row, the step is to the second of the next row, and it is `n - 2`.
    fn alike(&self, group: usize, strides: &[i64]) -> Option<i64> {
        let (consumer, key, _) = self.consumer?;
        let [down, across] = key.strides.map(|stride| stride as i64);
        let steps = if self.paired && across == 2 { 2 } else { 1 };
        let skipped = (across - 1) * (key.dims[2].div_ceil(key.strides[1]) as i64 - steps);
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
    [read, in_limbs]: [bool; 2],
    shape: Shape,
) -> usize {
    let summed = shape == Shape::Paired;
    let item = |lane, x, y| ChainItem { tag: 0, kappa: 1, lane, y_copy: None, x, y: Some(y), read };
    let output = |channel: usize, position: usize| {
        let x = native.and_then(|native| native.place(channel * h * w + position));
        item(Lane::Idle, x, Mono::element(channel, position_offset(position, w, q)))
    };
    let rim = |channel: usize, offset: i64| {
        let lane = Lane::Rim { node: 0, channel, offset, negative: false };
        item(lane, None, Mono::element(channel, offset))
    };
    let in_order = native.is_none_or(|native| native.is_in_order(native.key.dims));
    let mut items = vec![];
    if !in_order {
        let order = native.map(|native| native.first(channels * h * w).order()).unwrap_or_default();
        items.extend(order.into_iter().filter(|i| *i < channels * h * w).map(|i| output(i / (h * w), i % (h * w))));
    }
    for channel in 0..channels {
        items.extend(coefficients.iter().filter_map(|coefficient| match *coefficient {
            Coefficient::Output(position) => in_order.then(|| output(channel, position)),
            Coefficient::Rim(offset) => (!in_limbs && !summed).then(|| rim(channel, offset)),
        }));
    }
    chain_rows(&items, shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::Interval;
    use crate::layers::{Gates, compile};
    use crate::program::Program;
    use crate::testing::{NetworkBuilder, RELU8, SIGNED8, conv};

    /// A convolution of 1x1 that a 3x3 one of stride 2 reads.
    fn strided() -> NetworkBuilder {
        let mut b = NetworkBuilder::new(&[1, 8, 8], Interval::new(0, 15), 41);
        let first = b.affine(&[3, 8, 8], RELU8, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
        b.affine(&[2, 4, 4], SIGNED8, vec![conv(first, [3, 3], [2, 2], [1; 4])]);
        b
    }

    fn counts() -> Counts {
        Counts { known: BTreeMap::new(), budget: BUDGET }
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
        let program = compile(&b.architecture, crate::interface::Interface::default(), layout).unwrap();
        let forms = Forms::plan(&b.architecture, layout, Gates::new(&b.architecture, layout)).unwrap();
        for layer in forms.affine_layers(&b.architecture, layout) {
            let rows = forms.rows(&b.architecture, layout, &layer, &mut counts());
            assert_eq!(rows, Some(emitted(&program, layer.id)), "layer {}", layer.id);
        }
    }

    /// Phases of four columns of an image of eight: the consumer's rows are 13 apart, not 5, and the producer needs no spacers.
    #[test]
    fn a_stride_is_chosen_for_fewer_rows() {
        let b = strided();
        let forms =
            Forms::plan(&b.architecture, Layout::direct(2), Gates::new(&b.architecture, Layout::direct(2))).unwrap();
        assert_eq!([1, 2].map(|layer| forms.row_stride(layer)), [8, 13]);
        let rows = |strides: [i64; 2]| -> Option<usize> {
            let mut forms = forms.clone();
            for (layer, stride) in [1, 2].into_iter().zip(strides) {
                let root = forms.root(forms.layers[&layer]);
                forms.row_strides[root] = stride;
            }
            let layers = forms.affine_layers(&b.architecture, Layout::direct(2));
            layers.iter().map(|l| forms.rows(&b.architecture, Layout::direct(2), l, &mut counts())).sum()
        };
        assert!(rows([8, 13]) < rows([8, 5]), "{:?} and {:?}", rows([8, 13]), rows([8, 5]));
    }

    /// What is not counted keeps its least stride: under a maximum, and beyond the budget.
    #[test]
    fn other_groups_keep_their_least_stride() {
        let mut b = NetworkBuilder::new(&[1, 16, 16], Interval::new(0, 15), 43);
        let first = b.affine(&[2, 16, 16], RELU8, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
        let second = b.affine(&[2, 8, 8], RELU8, vec![conv(first, [3, 3], [2, 2], [1; 4])]);
        b.max_pool(second, [2, 2]);
        let forms =
            Forms::plan(&b.architecture, Layout::direct(2), Gates::new(&b.architecture, Layout::direct(2))).unwrap();
        assert!(forms.fused_into(second).is_some());
        assert_eq!(forms.row_stride(second), 9);
        let mut none = Counts { known: BTreeMap::new(), budget: 10 };
        let layers = forms.affine_layers(&b.architecture, Layout::direct(2));
        assert_eq!(forms.rows(&b.architecture, Layout::direct(2), &layers[0], &mut none), None);
    }
}
