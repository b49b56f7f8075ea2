//! Input and output: packed words of what is public, and the link of what is committed.
//!
//! Spec: `docs/spec/machine.md#public-tensors` and `#committed-tensors`.

use super::Compiler;
use crate::error::CompileError;
use crate::interface::{End, Visibility};
use crate::packing::Packing;
use crate::program::{Builder, Cell, ChainItem, Lane, Mono, NULL_TAG, Val};
use crate::witness::{BLIND_POWERS, FIRST_POWER};

/// Monomial of a power of `X` in the folded polynomial of number `polynomial`, which is evaluated at `1/u`.
fn link_monomial(polynomial: usize, power: usize) -> Mono {
    Mono::channel(polynomial as i64) * Mono::position(-(power as i64))
}

/// Monomial of element `index`, up to the factor that [`scale`] gives: `u^(-word) 256^(-bytes * position)`.
fn monomial(packing: &Packing, index: usize) -> Mono {
    let (word, position) = (index / packing.per_word(), index % packing.per_word());
    Mono::position(-(word as i64)) * Mono::byte(-(i64::from(packing.bytes) * position as i64))
}

/// Weight of the first element of a word.
const fn scale(packing: &Packing) -> Mono {
    Mono::byte(packing.bytes as i64 * (packing.per_word() as i64 - 1))
}

/// What a verifier is told of the tensors, as values of polynomials in the challenges.
#[derive(Default)]
pub(super) struct Shown {
    /// Packed words of the public tensors.
    words: Option<Cell>,
    /// The committed tensors' elements.
    link: Option<Cell>,
}

impl Compiler<'_> {
    /// Monomial of an element in what is shown of a tensor, up to [`Self::shown_scale`]; `None` for a private one.
    fn shown_monomial(&self, end: End, index: usize) -> Option<Mono> {
        match self.interface.of(end) {
            Visibility::Public => Some(monomial(self.packing(end), index)),
            Visibility::Committed | Visibility::Given => {
                Some(link_monomial(self.interface.number(end), FIRST_POWER + index))
            }
            Visibility::Private => None,
        }
    }

    /// Output words follow input words.
    fn shown_scale(&self, end: End) -> Mono {
        match self.interface.of(end) {
            Visibility::Public => {
                let offset = if end == End::Output { self.words(End::Input) as i64 } else { 0 };
                scale(self.packing(end)) * Mono::position(-offset)
            }
            Visibility::Committed | Visibility::Given | Visibility::Private => Mono::ONE,
        }
    }

    /// What is shown of a tensor whose elements are all 1, times `scale` of it.
    fn ones(&mut self, end: End) -> Cell {
        match self.interface.of(end) {
            Visibility::Public => {
                let packing = *self.packing(end);
                self.words_of_ones(&packing)
            }
            Visibility::Committed | Visibility::Given => {
                let sum = self.builder.geometric(Mono::position(-1), self.packing(end).elements);
                let first = self.builder.mono(self.shown_monomial(end, 0).expect("it is committed"));
                self.builder.multiply(sum, first)
            }
            Visibility::Private => Builder::zero(),
        }
    }

    /// Adds a tensor to what is shown.
    fn show(&mut self, end: End, value: Val, shown: &mut Shown) {
        let value = self.builder.absolute(Val { mono: value.mono * self.shown_scale(end), ..value });
        self.show_cell(end, value, shown);
    }

    fn show_cell(&mut self, end: End, value: Cell, shown: &mut Shown) {
        let sum = match self.interface.of(end) {
            Visibility::Public => &mut shown.words,
            Visibility::Committed | Visibility::Given => &mut shown.link,
            Visibility::Private => return,
        };
        *sum = Some(match *sum {
            None => value,
            Some(before) => {
                let one = self.builder.constant(1);
                self.builder.fma(value, one, before)
            }
        });
    }

    /// Rows of the input tensor, and what is shown of it.
    ///
    /// That is a chain over `y`, and any table with the right outputs will do. Where a layer needs that chain
    /// for a form of the input, it is one over `F`, and the table must be the identity.
    ///
    /// # Errors
    /// More rows than any program may have.
    pub(super) fn input(&mut self, shown: &mut Shown) -> Result<(), CompileError> {
        let over_f = self.forms.native(0).is_some();
        let range = self.packing(End::Input).range;
        let (tag, lo) = if over_f { (self.identity_tag(range), range.lo) } else { self.value_tag(range) };
        let native = self.forms.native(0);
        let read = self.forms.is_read(0);
        let order = native.map_or_else(|| (0..self.packing(End::Input).elements).collect(), |n| n.order());
        let items: Vec<_> = order
            .into_iter()
            .map(|index| {
                let place = self.shown_monomial(End::Input, index);
                let item = ChainItem {
                    tag,
                    kappa: Builder::idle_kappa(),
                    lane: Lane::Value { node: 0, index, lo },
                    y_copy: None,
                    x: native.map_or(place.map(|place| (0, place)), |n| n.place(index)),
                    y: native.and(place),
                    read,
                };
                (Some(index), item)
            })
            .collect();
        let values = self.emit_tensor(0, &items);
        self.copied_forms(0)?;
        if self.interface.input == Visibility::Private {
            return Ok(());
        }
        if !over_f {
            self.show(End::Input, values.x[&0], shown);
            return Ok(());
        }
        let value = values.y.expect("a producer chain");
        let value = self.builder.absolute(Val { mono: value.mono * self.shown_scale(End::Input), ..value });
        if lo == 0 {
            self.show_cell(End::Input, value, shown);
        } else {
            // `F` is the value less `lo`.
            let (ones, lo) = (self.ones(End::Input), self.builder.constant(lo));
            let value = self.builder.fma(ones, lo, value);
            self.show_cell(End::Input, value, shown);
        }
        Ok(())
    }

    /// The packed words of a tensor whose elements are all 1.
    fn words_of_ones(&mut self, packing: &Packing) -> Cell {
        let (words, rest) = (packing.elements / packing.per_word(), packing.elements % packing.per_word());
        let radix = Mono::byte(i64::from(packing.bytes));
        let mut sum = Builder::zero();
        if words > 0 {
            let word = self.builder.geometric(radix, packing.per_word());
            let places = self.builder.geometric(Mono::position(-1), words);
            sum = self.builder.multiply(word, places);
        }
        if rest > 0 {
            let word = self.builder.geometric(radix, rest);
            let place = Mono::position(-(words as i64)) * radix.pow((packing.per_word() - rest) as i64);
            let place = self.builder.mono(place);
            sum = self.builder.fma(word, place, sum);
        }
        sum
    }

    /// Copies of the output's cells, and what is shown of it. A private output needs none: its own rows range it.
    pub(super) fn output(&mut self, shown: &mut Shown) {
        if self.interface.output == Visibility::Private {
            return;
        }
        let id = self.architecture.output;
        let packing = *self.packing(End::Output);
        let (tag, lo) = self.value_tag(packing.range);
        let items: Vec<_> = (0..packing.elements)
            .map(|index| ChainItem {
                tag,
                kappa: Builder::idle_kappa(),
                lane: Lane::Value { node: id, index, lo },
                y_copy: Some(self.cell(id, index)),
                x: self.shown_monomial(End::Output, index).map(|place| (0, place)),
                y: None,
                read: false,
            })
            .collect();
        let value = self.builder.chain(&items).x[&0];
        self.show(End::Output, value, shown);
    }

    /// The equalities of what is shown with the instance and with the link row.
    pub(super) fn conclude(&mut self, instance: Val, shown: &Shown) {
        if let Some(words) = shown.words {
            let instance = self.builder.absolute(instance);
            self.builder.assert_equal(words, instance);
        }
        let Some(elements) = shown.link else { return };
        let blinds =
            (0..self.interface.polynomials()).flat_map(|polynomial| BLIND_POWERS.map(|power| (polynomial, power)));
        let items: Vec<_> = blinds
            .map(|(polynomial, power)| ChainItem {
                tag: NULL_TAG,
                kappa: 0,
                lane: Lane::Blind { polynomial, power },
                y_copy: None,
                x: None,
                y: Some(link_monomial(polynomial, power)),
                read: false,
            })
            .collect();
        let blinds = self.builder.chain(&items).y.expect("a producer chain");
        let one = self.builder.constant(1);
        let sum = self.builder.accumulate(blinds, one, elements);
        // A power of `R` that no lane has, so that no cell of a lane on the link row meets it.
        let place = self.builder.mono(Mono::channel(self.layout.lanes as i64));
        let sum = self.builder.multiply(sum, place);
        let link = self.builder.link();
        self.builder.assert_equal(sum, link);
    }
}
