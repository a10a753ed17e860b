/** Key figures as the server computes them (`models/alarm/src/kpi.rs`); the console only names them. */
export interface Kpi {
  annunciated: number
  peak_10_min: number
  flood_count: number
  flood_share: number
  standing: number
  shelved: number
  suppressed: number
  out_of_service: number
  fleeting: number
  top: { alarm: string; annunciated: number; share: number }[]
  split: { blue: number; yellow: number; orange: number; red: number }
  to_acknowledge: { count: number; median_s: number | null; p90_s: number | null }
  cases_judged: number
  on_time_share: number | null
  targets: { name: string; value: number; limit: number; met: boolean }[]
}
