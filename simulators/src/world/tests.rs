use super::*;

/// Steps of the running program at storm speed: four a second.
const STEP_S: f64 = 5_000.0 * 0.25;

fn series(seed: u64, scenario: Scenario) -> Vec<String> {
    let mut world = World::new(seed, scenario);
    (0..200)
        .map(|_| {
            world.step(STEP_S);
            format!("{:?}", world.sensed())
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_series_and_another_seed_another() {
    assert_eq!(series(1, Scenario::Storm), series(1, Scenario::Storm));
    assert_ne!(series(1, Scenario::Storm), series(2, Scenario::Storm));
    assert_ne!(series(1, Scenario::Normal), series(1, Scenario::Storm));
}

#[test]
fn a_year_of_normal_weather_leaves_the_pond_where_it_was() {
    let mut world = World::new(3, Scenario::Normal);
    for hour in 0..365 * 24 {
        world.step(3_600.0);
        let truth = world.truth();
        assert!((122.4..122.95).contains(&truth.level_m), "hour {hour}: {:?}", truth);
        assert!(truth.stations.iter().all(|s| s.rate_mm_h < 0.15), "hour {hour}: {:?}", truth);
    }
    assert!(world.truth().rain_total_mm > 200.0);
}

/// Seconds of wall time at storm speed until `value` passes `limit`.
fn passed_after(value: impl Fn(&Truth) -> f64, limit: f64) -> Option<f64> {
    let mut world = World::new(1, Scenario::Storm);
    (1..=4 * 70).find_map(|tick| {
        world.step(STEP_S);
        (value(&world.truth()) >= limit).then_some(f64::from(tick) * 0.25)
    })
}

#[test]
fn in_the_storm_level_pressure_and_movement_pass_yellow_orange_and_red_within_a_minute() {
    type Value = fn(&Truth) -> f64;
    let ladders: [(&str, Value, [f64; 4]); 6] = [
        ("level", |t| t.level_m, [123.20, 123.50, 123.80, 124.10]),
        ("beach", |t| -t.beach_m, [-120.0, -100.0, -80.0, -70.0]),
        ("pz11", |t| t.piezometers_m[0], [116.0, 116.8, 117.5, 118.2]),
        ("pz12", |t| t.piezometers_m[1], [112.8, 113.5, 114.2, 114.8]),
        ("gnss21", |t| t.stations[0].horizontal_mm, [8.0, 15.0, 30.0, 50.0]),
        ("gnss21 rate", |t| t.stations[0].rate_mm_h, [0.2, 0.5, 1.0, 2.0]),
    ];
    for (name, value, limits) in ladders {
        let times: Vec<f64> = limits
            .iter()
            .map(|&limit| passed_after(value, limit).unwrap_or_else(|| panic!("{name} never passes {limit}")))
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{name}: {times:?}");
        assert!((8.0..=40.0).contains(&times[0]) && (12.0..=62.0).contains(&times[3]), "{name}: {times:?}");
    }
}

#[test]
fn switching_to_a_storm_does_not_make_a_jump() {
    let mut world = World::new(5, Scenario::Normal);
    world.step(60.0);
    let before = world.truth();
    world.switch(Scenario::Storm);
    world.step(60.0);
    let after = world.truth();
    assert!((after.level_m - before.level_m).abs() < 1e-3);
    assert_eq!(after.scenario, Scenario::Storm);
}

#[test]
fn the_phreatic_line_falls_towards_the_toe_and_stays_below_the_ground() {
    let mut world = World::new(1, Scenario::Storm);
    for _ in 0..300 {
        world.step(STEP_S);
        let truth = world.truth();
        assert!(truth.burial_m.iter().all(|depth| *depth >= 0.0), "{truth:?}");
        assert!(truth.piezometers_m.windows(2).all(|pair| pair[0] > pair[1]), "{truth:?}");
    }
}

#[test]
fn a_failing_slope_moves_154_mm_between_72_hours_and_one_hour_before_the_end() {
    let mut world = World::new(1, Scenario::Failure);
    let mut moved = [0.0; 2];
    for minute in 0..84 * 60 {
        if minute == 12 * 60 {
            moved[0] = world.truth().stations[0].horizontal_mm;
        }
        if minute == 83 * 60 {
            moved[1] = world.truth().stations[0].horizontal_mm;
        }
        world.step(60.0);
    }
    // 36 ln 72, and creep of 0.3 mm a day.
    assert!((moved[1] - moved[0] - 153.96 - 0.89).abs() < 0.6, "{moved:?}");
    assert!(world.truth().level_m < 122.95 && world.truth().stations[3].rate_mm_h < 0.02);
}
