//! No fault loses a PAT: every request of every kind of run meets every fault of the design's list, and after each the
//! promises I1 to I5 hold and one healthy run brings all together.

mod cell;
mod fault;
mod interleaved;
mod kill;
mod kind;
mod oracle;
mod scene;
mod tally;
mod turns;

use self::cell::Cell;
use self::kind::Kind;

fn played(what: &str, kinds: &[Kind]) {
    let cells: Vec<Cell> = kinds.iter().flat_map(cell::cells_of).collect();
    tally::play(what, &cells, Cell::name, Cell::play);
}

#[test]
fn no_fault_at_any_request_of_any_kind_of_run_breaks_a_promise() {
    played("fault matrix", &kind::all());
}
