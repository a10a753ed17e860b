#!/usr/bin/env bash
# Runs every evaluation of the dam model on the measured series of a folder; ends with 1 when a bar does not
# hold. The same commands take other files of the same shapes.
set -u
data=${1:?folder of the series}
gateway=${GATEWAY:-target/debug/gateway}
[ -d "$data" ] || { echo "skipped: no folder $data (pass DATA=folder)"; exit 0; }
short=0
run() {
  echo "== $1" >&2; shift
  "$gateway" evaluate "$@" || { echo "   -> exit $?: a bar does not hold, or a file cannot be read" >&2; short=$((short + 1)); }
}
stable="$data/brumadinho_insar_stable_ref_desc155_isbaslike.csv"
for part in dam_crest_desc53 tailings_upper_desc155; do
  series="$data/brumadinho_insar_${part}_isbaslike.csv"
  run "Brumadinho $part" failure --series "$series" --expect COMMON_MODE,BELOW_NOISE --truth "2019-01-25 15:28"
  run "Brumadinho $part against the stable point" failure --series "$series" --stable "$stable" --expect COMMON_MODE,BELOW_NOISE
done
run "Glacier" failure --series "$data/glacier_maybeunstable_speed_to_day5631.csv" --every 1 --cuts 8 --expect-overlap
run "Heads, Netherlands" heads --series "$data/gw_Netherlands_heads_train.csv" --forcings "$data/gw_Netherlands_forcings.csv" --nse-min 0.75
run "Heads, Germany" heads --series "$data/gw_Germany_heads_train.csv" --forcings "$data/gw_Germany_forcings.csv" --nse-min 0.73
run "Ootang, 30 days" ahead --series "$data/ootang_landslide_daily_2016-07_2019-06.csv" --values MJ9,MJ1,MJ3,ATU1,ATU2,ATU3,ATU4,ATU5 \
  --expect-beats 6 --expect-coverage 0.75,0.85
run "Kerala" levels --series "$data/kerala_dams_daily_to_2026-03.csv" --expect 2814,395,266,749
run "Well, Brazil" well --series "$data/brazil_well_30min_level_baro_rain_2022_2024.csv" --manual "$data/brazil_well_manual_readings.csv" \
  --expect-gaps 29 --expect-slope -0.842
echo "$short evaluation(s) fall short" >&2
[ "$short" = 0 ]
