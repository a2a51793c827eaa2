//! The window against a list that changes under it.

use super::*;
use crate::tui::fixture;

const HEIGHT: usize = 10;

/// The daemon's side: a list in order, answered by the wire's anchors.
fn answer(list: &[u64], query: &PageQuery) -> Rows {
    let rows: Vec<Row> = list.iter().map(|id| fixture::row(*id)).collect();
    let limit = query.limit as usize;
    let at = |token: &str| rows.partition_point(|row| row.token.as_str() < token);
    let from = match &query.anchor {
        Anchor::Start => 0,
        Anchor::End => rows.len().saturating_sub(limit),
        Anchor::At(token) => at(token),
        Anchor::After(token) => rows.partition_point(|row| row.token.as_str() <= token.as_str()),
        Anchor::Before(token) => at(token).saturating_sub(limit),
    };
    let to = match &query.anchor {
        Anchor::Before(token) => at(token),
        _ => (from + limit).min(rows.len()),
    };
    Rows {
        rows: rows[from..to].to_vec(),
        more_before: from > 0,
        more_after: to < rows.len(),
        total: Some(rows.len() as u64),
        ..Rows::default()
    }
}

fn load(queue: &mut Queue, list: &[u64], query: Option<(u64, Load, PageQuery)>) -> bool {
    let Some((generation, load, query)) = query else { return false };
    queue.receive(generation, load, answer(list, &query), HEIGHT);
    true
}

fn settle(queue: &mut Queue, list: &[u64]) {
    while {
        let query = queue.prefetch(HEIGHT);
        load(queue, list, query)
    } {}
}

fn opened(list: &[u64]) -> Queue {
    let mut queue = Queue::default();
    let query = queue.jump(Load::Start, HEIGHT);
    load(&mut queue, list, Some(query));
    settle(&mut queue, list);
    queue
}

fn under(queue: &Queue) -> u64 {
    queue.current().unwrap().row.id.0
}

#[test]
fn walking_a_long_list_visits_every_row_in_order_with_bounded_memory() {
    let list: Vec<u64> = (0..5_000).collect();
    let mut queue = opened(&list);
    for expected in 0..5_000 {
        assert_eq!(under(&queue), expected);
        assert_eq!(queue.position(), Some(expected + 1));
        assert!(queue.rows().len() <= HEIGHT * (KEPT_SCREENS + 4));
        queue.step(1, HEIGHT);
        settle(&mut queue, &list);
    }
    for expected in (0..5_000).rev() {
        assert_eq!(under(&queue), expected);
        queue.step(-1, HEIGHT);
        settle(&mut queue, &list);
    }
    assert_eq!(queue.position(), Some(1));
}

#[test]
fn the_end_is_one_query_away() {
    let list: Vec<u64> = (0..100_000).collect();
    let mut queue = opened(&list);
    let query = queue.jump(Load::End, HEIGHT);
    load(&mut queue, &list, Some(query));
    assert_eq!((under(&queue), queue.position()), (99_999, Some(100_000)));
    assert!(queue.rows().len() < 100);
}

#[test]
fn a_refresh_never_moves_the_cursor_to_another_item_or_line() {
    let mut list: Vec<u64> = (100..300).collect();
    let mut queue = opened(&list);
    queue.step(20, HEIGHT);
    let line = queue.cursor() - queue.top;
    list.splice(0..0, 0..5);
    list.retain(|id| *id != 110);
    let query = queue.refresh(HEIGHT);
    load(&mut queue, &list, query);
    assert_eq!((under(&queue), queue.cursor() - queue.top), (120, line));
}

#[test]
fn an_item_that_left_stays_under_the_cursor_until_the_cursor_leaves() {
    let mut list: Vec<u64> = (0..50).collect();
    let mut queue = opened(&list);
    queue.step(7, HEIGHT);
    list.retain(|id| *id != 7);
    let query = queue.refresh(HEIGHT);
    load(&mut queue, &list, query);
    assert_eq!(under(&queue), 7);
    assert!(queue.current().unwrap().gone);
    let query = queue.refresh(HEIGHT);
    load(&mut queue, &list, query);
    assert_eq!(queue.rows().iter().filter(|entry| entry.gone).count(), 1, "only one ghost, also after more refreshes");
    queue.step(1, HEIGHT);
    assert_eq!(under(&queue), 8);
    assert!(queue.rows().iter().all(|entry| !entry.gone));
}

#[test]
fn marks_name_items_and_versions_not_rows() {
    let mut list: Vec<u64> = (0..50).collect();
    let mut queue = opened(&list);
    queue.step(3, HEIGHT);
    queue.toggle_mark(HEIGHT);
    queue.toggle_range();
    queue.step(2, HEIGHT);
    queue.toggle_range();
    let ids: Vec<u64> = queue.marks.keys().map(|id| id.0).collect();
    assert_eq!(ids, [3, 4, 5, 6]);
    list.splice(0..0, [900, 901]);
    list.sort_unstable();
    let query = queue.refresh(HEIGHT);
    load(&mut queue, &list, query);
    assert_eq!(queue.marks.keys().map(|id| id.0).collect::<Vec<_>>(), ids);
    assert_eq!(queue.marks.values().next().unwrap().version, 3);
}

#[test]
fn an_answer_to_an_older_query_is_dropped() {
    let list: Vec<u64> = (0..50).collect();
    let mut queue = opened(&list);
    let (generation, load, query) = queue.refresh(HEIGHT).unwrap();
    queue.filter.state = Some(State::Dead);
    queue.reset();
    queue.receive(generation, load, answer(&list, &query), HEIGHT);
    assert!(queue.rows().is_empty() && !queue.loaded());
}

#[test]
fn the_search_for_the_next_unsolved_reads_on_and_gives_up() {
    let mut queue = Queue::default();
    let (generation, load, _) = queue.jump(Load::Start, HEIGHT);
    let ready = |from: u64, to: u64, more: bool| Rows {
        rows: (from..to).map(|id| Row { state: State::Ready, unsolved: 0, ..fixture::row(id) }).collect(),
        more_after: more,
        ..Rows::default()
    };
    queue.receive(generation, load, ready(0, 30, true), HEIGHT);
    assert_eq!(queue.seek(Direction::Next, HEIGHT), Found::Loading);
    let (generation, load, _) = queue.prefetch(HEIGHT).unwrap();
    let mut page = ready(30, 60, false);
    page.rows[10] = fixture::row(40);
    queue.receive(generation, load, page, HEIGHT);
    assert_eq!(queue.continue_seek(HEIGHT), Found::Here);
    assert_eq!(under(&queue), 40);
    assert_eq!(queue.seek(Direction::Next, HEIGHT), Found::Nothing);
    assert_eq!(under(&queue), 40, "the cursor stays when nothing is found");
}

#[test]
fn filters_cycle_through_none() {
    let mut queue = Queue::default();
    queue.cycle_state(&[State::Held, State::Dead], -1);
    assert_eq!(queue.filter.state, Some(State::Dead));
    queue.cycle_state(&[State::Held, State::Dead], 1);
    assert_eq!(queue.filter.state, None);
    queue.cycle_reason(&[Reason::Conflict]);
    assert_eq!((queue.filter.state, queue.filter.reason), (Some(State::Held), Some(Reason::Conflict)));
    queue.cycle_state(&[State::Held, State::Dead], 1);
    assert_eq!(queue.filter.reason, None, "a reason belongs to held items");
    queue.cycle_reason(&[Reason::Drift, Reason::Flap]);
    assert_eq!((queue.filter.state, queue.filter.reason), (Some(State::Skipped), Some(Reason::Drift)));
    queue.cycle_state(&[State::Skipped], 0);
    assert_eq!(queue.filter.reason, Some(Reason::Drift), "drift belongs to skipped items");
    queue.cycle_reason(&[Reason::Drift, Reason::Flap]);
    assert_eq!((queue.filter.state, queue.filter.reason), (Some(State::Held), Some(Reason::Flap)));
    queue.cycle_state(&[State::Held, State::Skipped], 1);
    assert_eq!((queue.filter.state, queue.filter.reason), (Some(State::Skipped), None));
}

#[test]
fn moves_typed_before_the_rows_arrive_are_made_when_they_do() {
    let list: Vec<u64> = (0..50).collect();
    let mut queue = Queue::default();
    let query = queue.jump(Load::Start, HEIGHT);
    queue.step(1, HEIGHT);
    queue.step(1, HEIGHT);
    load(&mut queue, &list, Some(query));
    assert_eq!(under(&queue), 2);
}
