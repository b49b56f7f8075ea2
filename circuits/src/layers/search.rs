//! Where in a row the first greatest element stands.
//!
//! Spec: `docs/spec/machine.md#before-the-first-maximum`.

use super::Compiler;
use super::forms::FormKey;
use crate::network::NodeId;
use crate::program::{Builder, Cell, ChainItem, Lane, Mono};

impl Compiler<'_> {
    /// Rows of the two bits of each element: whether it is the first greatest one, and whether it stands before that.
    ///
    /// The maximum of each row is the max-pool's; `d` is by how much an element falls short of it.
    pub(super) fn before_max(&mut self, id: NodeId, input: NodeId, maximum: NodeId) {
        let [rows, length] = self.architecture.nodes[id].shape[..] else { unreachable!("validated") };
        let (q, batch) = (self.forms.row_stride(id), self.forms.batch());
        // Differences of neighbours reach one place beyond the last element.
        assert!(batch.count == 1 || (length as i64 + 1) * q <= batch.stride, "no two inputs share an exponent");
        let element = |index: usize| {
            let (input, row) = (index / length / rows, index / length % rows);
            Mono::element(row, (index % length) as i64 * q + batch.shift(input))
        };
        let chain = |tag, read, lane: &dyn Fn(usize, usize) -> Lane| -> Vec<ChainItem> {
            let item = |index: usize| ChainItem {
                tag,
                kappa: Builder::idle_kappa(),
                lane: lane(index, index / length),
                y_copy: None,
                x: Some((0, element(index))),
                y: Some(element(index)),
                read,
            };
            (0..batch.count * rows * length).map(item).collect()
        };
        let (first, before) = (self.difference_tag(), self.before_tag());
        let firsts =
            chain(first, false, &|index, window| Lane::BelowValue { node: input, index, pool: maximum, window });
        let firsts = self.builder.chain(&firsts);
        let befores = chain(before, true, &|index, window| Lane::Before { node: input, index, pool: maximum, window });
        let befores = self.builder.chain(&befores);
        self.tensors[id] = befores.rows.iter().map(|row| row.map(Cell::Y)).collect();

        // Both hold the differences: sum mon (x + d) = sum over rows of R^row M, times the positions.
        let values = self.total_form(&FormKey::rows(self.architecture, input, rows, length), [0, 0]);
        let values = self.builder.absolute(values);
        let maxima = self.total_form(&FormKey::rows(self.architecture, maximum, rows, 1), [0, 0]);
        let positions = self.builder.geometric(Mono::position(-q), length);
        let maxima = self.builder.accumulate(maxima, positions, Builder::zero());
        let one = self.builder.constant(1);
        for differences in [firsts.y, befores.y] {
            let sum = self.builder.accumulate(differences.expect("a producer chain"), one, values);
            self.builder.assert_equal(sum, maxima);
        }

        // (v - 1) before(v) + sum of R^row = first(v), coefficient by coefficient.
        let (firsts, befores) = (self.builder.absolute(firsts.x[&0]), self.builder.absolute(befores.x[&0]));
        let (step, minus) = (self.builder.mono(Mono::position(-q)), self.builder.constant(-1));
        let factor = self.builder.fma(step, one, minus);
        let all = self.builder.geometric(Mono::channel(1), rows);
        let all = self.in_all_inputs(all);
        let sum = self.builder.fma(befores, factor, all);
        self.builder.assert_equal(sum, firsts);
    }
}
