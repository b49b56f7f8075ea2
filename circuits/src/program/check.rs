//! What every program must satisfy for the machine's argument to hold; see `docs/spec/machine.md#obligations`.

use super::{Cell, ChainOp, Lane, NULL_TAG, ONE_TAG, Pin, ProductOp, Program, Row};
use crate::machine::{LINK_ROW, Shape};
use crate::witness::BLIND_POWERS;
use rayon::prelude::*;
use std::collections::HashMap;

/// Rows that one task checks, at least.
const MIN_ROWS: usize = 1 << 12;

impl Program {
    /// Asserts the compiler's obligations. A failure is a bug of the compiler, never of a caller.
    ///
    /// # Panics
    /// With the row and the obligation that does not hold.
    pub fn check(&self) {
        assert!(self.active_rows() + crate::machine::RESERVED_ROWS <= 1 << self.k, "rows fit");
        let default = Row::default();
        let row = |i: usize| self.rows.get(i).unwrap_or(&default);
        assert!(row(0).x == ChainOp::Reset && row(0).y == ChainOp::Reset, "row 0 carries the challenges");
        let words = self.instance_words();
        let check = |i: usize| {
            let before = (i > 0).then(|| row(i - 1));
            check_lane(i, row(i), words, self.layout.shape);
            check_z(i, before, row(i), row(i + 1));
            check_p(i, before, row(i));
            check_weight_chain(i, before, row(i), row(i + 1), self.is_link(i));
        };
        let rows = (0..self.active_rows()).into_par_iter().with_min_len(MIN_ROWS);
        rayon::join(|| rows.for_each(check), || self.check_sources());
        if self.interface.is_linked() {
            self.check_link();
        }
    }

    /// Whether `omega` on a row is the link's.
    pub(super) fn is_link(&self, row: usize) -> bool {
        self.interface.is_linked() && row == LINK_ROW
    }

    /// The link row reads `omega` as it is, one equality reads what it reads, and every coefficient that blinds has one cell.
    fn check_link(&self) {
        let [first, start, link, end] = [0, LINK_ROW - 1, LINK_ROW, LINK_ROW + 1].map(|row| self.rows[row]);
        assert!(start.product == ProductOp::Hold && start.slot.is_none(), "the link starts a chain");
        assert!(link.product == ProductOp::Product && link.slot.is_none(), "the link row holds no weight");
        let Pin::Copy(Cell::Y(one)) = link.z_pin else { panic!("the link is not scaled") };
        assert!(self.rows[one].lane == Lane::Constant(1), "the link is not scaled");
        assert!(first.product == ProductOp::None && end.product == ProductOp::None, "the link is a chain of its own");
        assert!(end.y != ChainOp::Reset, "the link's value is not the instance's");
        let value = Cell::P(LINK_ROW + 1);
        let readers = self.copies().filter(|(a, b)| *a == value || *b == value).count();
        assert_eq!(readers, 1, "one equality reads the link");
        let places = self.rows.iter().filter_map(|row| match row.lane {
            Lane::Blind { polynomial, power } => Some((polynomial, power)),
            _ => None,
        });
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        let blinds = |polynomial| BLIND_POWERS.map(|power| (polynomial, power));
        let expected: Vec<_> = (0..self.interface.polynomials()).flat_map(blinds).collect();
        assert_eq!(places, expected, "two cells that blind for each polynomial");
    }

    /// Every cell that a copy reads is determined by something else than another undetermined cell.
    fn check_sources(&self) {
        let equal: HashMap<Cell, Cell> = self.equalities.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
        for (target, source) in self.copies() {
            let determined = match source {
                Cell::Y(_) => true,
                Cell::Z(i) => i == 0 || self.rows[i].x == ChainOp::Reset || self.rows[i].z_pin != Pin::Free,
                Cell::P(i) => {
                    i == 0
                        || self.rows[i - 1].product != ProductOp::None
                        || self.rows[i].y == ChainOp::Reset
                        || self.rows[i].p_pin != Pin::Free
                        || equal.contains_key(&source)
                }
            };
            assert!(determined, "{target:?} copies {source:?}, which nothing determines");
        }
    }
}

fn check_lane(i: usize, row: &Row, words: usize, shape: Shape) {
    let rim = match shape {
        Shape::Single => matches!(row.lane, Lane::Rim { .. }),
        Shape::Paired => matches!(row.lane, Lane::RimSum { .. }),
    };
    let free = rim || matches!(row.lane, Lane::Blind { .. });
    assert!(!free || row.kappa == 0, "row {i}: what is free has no scale");
    if row.kappa == 0 {
        assert!(row.tag == NULL_TAG && free, "row {i}: kappa 0 is for rims and what blinds");
        assert!(row.x == ChainOp::StepU, "row {i}: a rim is in no consumer chain");
    }
    if row.earlier.is_some() {
        assert!(shape == Shape::Paired && row.kappa != 0 && i >= words, "row {i}: two elements");
    }
    if i < words {
        assert!(row.kappa == ONE_TAG && row.tag == NULL_TAG, "row {i}: an instance row is idle");
    }
}

/// `z` has one role: exposure, multiplier or operand, or addend of the row before.
fn check_z(i: usize, before: Option<&Row>, row: &Row, next: &Row) {
    let reset = row.x == ChainOp::Reset;
    let multiplies = row.x == ChainOp::StepZ || row.y == ChainOp::StepZ;
    let product = row.product != ProductOp::None;
    assert!(!reset || row.z_pin == Pin::Free, "row {i}: an exposed z is pinned too");
    let addend = before.is_some_and(|b| b.product == ProductOp::Fma);
    let roles = [reset, multiplies, product, addend].into_iter().filter(|r| *r).count();
    assert!(roles <= 1, "row {i}: z has {roles} roles");
    if multiplies || product || addend {
        assert!(matches!(row.z_pin, Pin::Copy(_)), "row {i}: z is read and must be pinned");
    }
    if row.product == ProductOp::Fma {
        assert!(matches!(next.z_pin, Pin::Copy(_)), "row {i}: the addend is pinned");
    }
}

/// `P` has one writer.
fn check_p(i: usize, before: Option<&Row>, row: &Row) {
    let written = before.is_some_and(|b| b.product != ProductOp::None);
    let exposed = row.y == ChainOp::Reset;
    let pinned = row.p_pin != Pin::Free;
    let writers = [written, exposed, pinned].into_iter().filter(|w| *w).count();
    assert!(writers <= 1, "row {i}: P has {writers} writers");
    assert!(row.product == ProductOp::None || writers == 1, "row {i}: P is read and must be pinned");
}

/// `hW` is read only where the row before determines it: after a start, which has no slot and `z = 0`, or in a chain.
///
/// Every other row whose `omega` counts holds a slot, or is the link row.
fn check_weight_chain(i: usize, before: Option<&Row>, row: &Row, next: &Row, link: bool) {
    if row.product == ProductOp::Hold {
        let read = matches!(next.product, ProductOp::Hold | ProductOp::Product);
        let read = read && (next.slot.is_some() || i + 1 == LINK_ROW);
        assert!(read, "row {i}: a weight chain that nobody reads");
    }
    match (row.product, row.slot) {
        (ProductOp::Hold | ProductOp::Product, Some(_)) => {
            let live = before.is_some_and(|b| matches!(b.product, ProductOp::Hold | ProductOp::Product));
            assert!(live, "row {i}: a free weight chain is read");
        }
        (ProductOp::Hold, None) => {
            let zero = Pin::Copy(Cell::Y(0));
            assert!(row.z_pin == zero && row.p_pin == zero, "row {i}: a weight chain starts with z = P = 0");
        }
        (ProductOp::Product, None) if link => {
            let start = before.is_some_and(|b| b.product == ProductOp::Hold && b.slot.is_none());
            assert!(start, "row {i}: a free weight chain is read");
        }
        (ProductOp::Product, None) => panic!("row {i}: omega is read where no weight stands"),
        (ProductOp::None | ProductOp::Fma, slot) => assert!(slot.is_none(), "row {i}: weights that nobody reads"),
    }
}
