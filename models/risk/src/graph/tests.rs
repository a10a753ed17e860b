use super::*;

const REACH: Reach = Reach { hops: 3, edge_min: 0.25, product_min: 0.0 };

fn edge(owner: u32, owned: u32, share: f64, from_us: i64, to_us: Option<i64>) -> Edge {
    Edge { owner: Sym(owner), owned: Sym(owned), share, control: false, from_us, to_us }
}

/// 1 holds 2 (60 %) and 3 (30 %); 2 holds 4 (80 %); 4 holds 5 (70 %); 5 holds 6 (90 %).
fn graph() -> Graph {
    let mut graph = Graph::default();
    let all = [(1, 2, 0.6), (1, 3, 0.3), (2, 4, 0.8), (4, 5, 0.7), (5, 6, 0.9)];
    for (key, (owner, owned, share)) in (100..).zip(all) {
        graph.put(Sym(key), edge(owner, owned, share, 10, Some(20)));
    }
    graph
}

#[test]
fn two_parties_under_one_controller_are_related_only_while_the_shares_are_held() {
    let graph = graph();
    assert!(graph.related(Sym(3), Sym(4), 10, REACH));
    assert!(!graph.related(Sym(3), Sym(4), 9, REACH) && !graph.related(Sym(3), Sym(4), 20, REACH));
}

#[test]
fn a_small_share_and_a_long_chain_do_not_relate() {
    let mut graph = graph();
    assert!(!graph.related(Sym(3), Sym(4), 15, Reach { edge_min: 0.31, ..REACH }));
    assert!(!graph.related(Sym(3), Sym(6), 15, REACH), "four hops");
    graph.remove(Sym(100));
    assert!(!graph.related(Sym(3), Sym(4), 15, REACH));
}

#[test]
fn a_group_is_held_by_the_product_of_shares_or_by_control() {
    let mut graph = graph();
    assert_eq!((graph.head(Sym(2), 15, 0.5), graph.head(Sym(4), 15, 0.5)), (Sym(1), Sym(2)), "0.6 · 0.8 < 0.5");
    assert_eq!(graph.group(Sym(2), 15, 0.5), BTreeSet::from([Sym(1), Sym(2)]));
    graph.put(Sym(101), Edge { control: true, ..edge(1, 3, 0.3, 10, None) });
    assert_eq!(graph.group(Sym(3), 15, 0.5), BTreeSet::from([Sym(1), Sym(2), Sym(3)]));
}

#[test]
fn a_circle_of_owners_ends() {
    let mut graph = Graph::default();
    graph.put(Sym(100), edge(1, 2, 1.0, 0, None));
    graph.put(Sym(101), edge(2, 1, 1.0, 0, None));
    assert_eq!(graph.group(Sym(1), 5, 0.5), BTreeSet::from([Sym(1), Sym(2)]));
    assert_eq!(graph.around(Sym(2)).len(), 2);
}
