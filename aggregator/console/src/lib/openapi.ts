/** Made by scripts/types.mjs from the OpenAPI description of the aggregator; `make openapi` makes it anew. */

export type ActAnswer = { now: number | null; request: string | null }
export type ActBody = { one_shot: boolean | null; reason: string | null; until: string | null; version: number; work_order: string | null }
export type AlarmView = { alarm: string; at: string; from_level: string; gateway: string; input: null | LatestView; kind: string; level: string; limit: number | null; name: Name; point: string | null; revision: number; rule: string; since: string; unit: string | null; value: number | null; why: string }
export type AnnunciatorPage = { next: string | null; rows: (AnnunciatorRow)[] }
export type AnnunciatorRow = { alarm: string; at: string; domain: string; gateway: string; handling: null | HandlingView; level: string; org: string }
export type BrokenView = { until: string }
export type BrokerView = { connected: boolean; embedded: boolean; late_subscribers: string; url: string }
export type CameraView = { id: string; name: Name }
export type CaseDetail = { alarms: (unknown)[]; calls: (unknown)[]; case: CaseView; evidence: (unknown)[]; steps: (unknown)[] }
export type CasePage = { next: string | null; rows: (CaseView)[] }
export type CaseResultView = { case: number; failed: string | null; is: string; why: string }
export type CaseView = { acked_by: string | null; cause: string | null; changed_at: string; closed_at: string | null; domain: string; due_at: string | null; escalated: number; first_alarm: string; gateway: string | null; handler: string | null; id: string; level: string; measure: string | null; open: boolean; org: string; overdue: boolean; place: Name; raised_at: string; reason: string | null; reopened: number; revision: number; round: number; state: string; submitted_by: string | null; title: Name; until: string | null; verified_by: string | null }
export type ChangeBody = { disabled: boolean | null; name: string | null }
export type ChannelTest = { delivered: boolean; said: string }
export type ChannelView = { error: string | null; failures: number; fallback: string | null; kind: string; last_failed_at: string | null; last_ok_at: string | null; name: string }
export type CheckView = { level: string; said: Name; when: string }
export type Checked = { cases: (CaseResultView)[]; faults: (FaultView)[]; ok: boolean; reference: string | null }
export type CodeBody = { code: string }
export type ConfirmBody = { password: string }
export type Counts = { blue: number; orange: number; red: number; yellow: number }
export type DamView = { class: number; crest_m: number; design_flood_level_m: number | null; id: string; items: (ItemView)[]; name: Name; sections: (SectionView)[]; utc_offset_h: number }
export type DraftBody = { revision: number; text: string }
export type EnrolBody = { gateway: string; hours: number | null }
export type EnrolCodeView = { broker_url: string; ca_fingerprint: string; code: string; gateway: string; hours: number }
export type EnrolmentView = { secret: string; uri: string }
export type EntryView = { action: string; at: string; detail: string; hash: string; person: string; seq: number; target: string; via: string }
export type EventView = { at: string; detail: string; epoch: number; gateway: string; kind: string; seq: number; subject: string }
export type ExplainedView = { from: number; reason: string; to: number }
export type FactRef = { document: string; feed: string; key: string; kind: string; kind_name: Name; known_at: string; locator: string; visible: boolean }
export type FactView = { event_at: string; fields: (FieldView)[]; in_force: boolean; key: string; kind: string; kind_name: Name; known_at: string; lineage: LineageView; org: string; statements: (StatementView)[] }
export type FaultView = { at: string; file: string; why: string }
export type FieldView = { id: string; name: Name; type: string; unit: string; value: string }
export type Finding = { detail: string; seq: number; what: string }
export type ForecastView = { accelerating_since: string | null; earliest_at: string | null; explanation: Name; failure_at: string | null; from: string; gateway: string; latest_at: string | null; models_agree: boolean | null; outlook: string; point: string; reason: string | null; samples: number; to: string }
export type FounderBody = { name: string; password: string; person: string; role: string }
export type GapView = { count: number; epoch: number; from: string; gateway: string; reason: string; seq: number; subject: string; to: string }
export type GatewayView = { backlog: number | null; config: string | null; gateway: string; latest_at: string | null; link: LinkView; link_losses: number | null; site: SiteView; software: string | null; started_at: string | null }
export type GrantView = { domains: (string)[]; org: string; role: string }
export type GrantsBody = { grants: (GrantView)[] }
export type HandlingView = { acked: boolean; acked_at: string | null; acked_by: string | null; case: string | null; inhibited_by: string | null; isa: string; kept_back: null | HeldView; level: string; process: string; silenced: boolean; version: number }
export type HeldView = { by: string; how: string; level_max: string; second: string | null; since: string; until: string | null; why: string }
export type HistoryView = { bucket_ms: number; gateway: string; point: string; raw: boolean; samples: (SampleView)[]; unit: string | null }
export type ItemView = { id: string; kind: string; name: Name; points: (string)[] }
export type LatestView = { at: string; ingested_at: string; quality: string; reason: string; stale: boolean; value: number | null }
export type LedgerView = { as_of: string | null; complete: boolean; gaps: (GapView)[]; gateway: string; streams: (StreamView)[]; why_not: (WhyNot)[] }
export type LimitsView = { blue: number | null; orange: number | null; red: number | null; yellow: number | null }
export type LineageView = { came_at: string | null; document: string; feed: string; locator: string; sha256: string; state: string | null; via: string | null }
export type LinkView = { last_heard_at: string | null; since: string; state: string }
export type LocationView = { latitude: number; longitude: number }
export type Me = { actions: (string)[]; broken_until: string | null; ends_at: string | null; grants: (GrantView)[]; idle_s: number; local: boolean; may_break_glass: boolean; must: null | Must; name: string; person: string; second_factor: boolean; via: string }
export type Must = "change_password" | "enrol_second_factor"
export type Name = { en: string; zh: string }
export type NewTokenView = { id: string; token: string }
export type NoticeView = { attempts: number; case: string | null; channel: string; domain: string; due_at: string; ended_at: string | null; id: string; key: string; level: string; org: string; outcome: string | null; state: string; target: string }
export type OneTimeView = { password: string }
export type OrganisationView = { ladders: (unknown)[]; parties: (unknown)[]; rosters: (unknown)[]; shifts: (unknown)[]; units: (unknown)[] }
export type PasswordBody = { new: string; old: string }
export type Path = { company: string; facility: string; group: string; mine: string }
export type PersonBody = { name: string; person: string }
export type PersonView = { created_at: string; disabled: boolean; grants: (GrantView)[]; local: boolean; name: string; person: string; provider: boolean; second_factor: boolean; signed_in_at: string | null }
export type PiezometerView = { point: string; x_m: number }
export type PointView = { device: string | null; gateway: string; high: LimitsView; keep_alive_ms: number | null; latest: null | LatestView; low: LimitsView; name: Name; period_ms: number | null; point: string; unit: string | null }
export type ProofView = { at: string; level: string; proof: Record<string, unknown>; revision: number }
export type QuarantineEntry = { at: string; bytes: number; detail: string; gateway: string | null; id: number; reason: string; sha256: string; topic: string }
export type QuarantineView = { counts: Record<string, number>; entries: (QuarantineEntry)[] }
export type ReadingView = { at: string; at_us: number; epoch: number; ingested_at: string; lane: string; point: string; quality: string; reason: string; seq: number; value: number | null }
export type ReadingsView = { next: string | null; rows: (ReadingView)[] }
export type ReasonBody = { reason: string }
export type RecoveryView = { recovery_codes: (string)[] }
export type Report = { entries: number; findings: (Finding)[]; found: number; last_hash: string; last_seq: number; signed_seq: number | null }
export type RequestView = { asked_at: string; asked_by: string; expires_at: string; gateway: string; id: string; target: string; what: unknown }
export type ResetBody = { second_factor: boolean }
export type RuleAbout = { actions: (Name)[]; due_days: number; id: string; name: Name; negative: string; owner: string; version: number }
export type RuleActBody = { reason: string | null; revision: number }
export type RulePage = { faults: (FaultView)[]; next: string | null; rows: (RuleRow)[] }
export type RuleRow = { changed_at: string; domain: string; draft: number | null; id: string; level: string; name: Name; negative: string; origin: string; owner: string; standing: Counts; state: string; submitted: number | null; valid_from: string; version: number | null; versions: number }
export type RuleView = { row: RuleRow; shown: null | VersionView; versions: (VersionRow)[] }
export type RungBody = { after_minutes: number; channel: string | null; step: number; target: string }
export type SampleView = { at: string; last: number | null; max: number | null; mean: number | null; min: number | null; n: number; quality: string }
export type Saved = { checked: Checked; id: string; revision: number; version: number }
export type SectionView = { base_m: number; id: string; name: Name; piezometers: (PiezometerView)[]; surface: ((number)[])[] }
export type SessionView = { address: string; agent: string; created_at: string; current: boolean; ends_at: string; id: string; seen_at: string }
export type SetupBody = { people: (FounderBody)[]; token: string }
export type ShiftBody = { channel: string | null; from: string; person: string; to: string }
export type SignInBody = { code: string | null; password: string; person: string; reason: string | null }
export type SignedOut = { location: string }
export type SiteOutlineView = { cameras: (CameraView)[]; dam: null | DamView; gateway: string; location: null | LocationView }
export type SiteView = { en: string | null; path: null | Path; zh: string | null }
export type StatementView = { document: string; event_at: string; feed: string; in_force: boolean; known_at: string; locator: string }
export type StepBody = { cause: string | null; measure: string | null; reason: string | null; revision: number; to: string | null; until: string | null }
export type StoreView = { error: string | null; kind: string; ok: boolean }
export type StreamView = { closed: boolean; epoch: number; expected: number; explained: (ExplainedView)[]; lane: string; missing: ((number)[])[]; received: number; unexplained: number }
export type SystemView = { broker: BrokerView; disk_free_mb: number | null; instance: string; now: string; software: string; started_at: string; store: StoreView }
export type TextBody = { text: string }
export type TokenBody = { days: number; grants: (GrantView)[]; name: string }
export type TokenView = { created_at: string; ends_at: string; grants: (GrantView)[]; id: string; name: string; revoked_at: string | null; used_at: string | null }
export type UnitView = { counts: Counts; deeper: boolean; name: null | Name; org: string }
export type UnitsView = { counts: Counts; name: null | Name; org: string; units: (UnitView)[] }
export type VersionRow = { activated_at: string | null; approved_by: string | null; author: string; changed_at: string; created_at: string; ended_at: string | null; ended_by: string | null; in_force: boolean; origin: string; reason: string; request: string | null; revision: number; sha256: string; state: string; submitted_at: string | null; submitted_by: string | null; valid_from: string; version: number; waits: string | null }
export type VersionView = { about: VersionRow; actions: (Name)[]; cases: (CaseView)[]; checks: (CheckView)[]; due_days: number; indicators: (string)[]; name: Name; negative: string; owner: string; params: Record<string, unknown>; source: string; subject: string; text: string }
export type WarningPage = { next: string | null; rows: (WarningRow)[] }
export type WarningRow = { alarm: string; at: string; case: string | null; domain: string; gateway: string; isa: string; level: string; name: Name; org: string; rule: string; said: Name; since: string }
export type WarningView = { about: null | RuleAbout; facts: (FactRef)[]; row: WarningRow; trace: Record<string, unknown> | null }
export type WayIn = { first_roles: (string)[]; local: string; password_chars_min: number; provider: boolean; setup: boolean }
export type WhyNot = "link_offline" | "link_silent" | "broker_lost" | "store_failing" | "hello_pending" | "missing"

/** What a GET of each route answers. */
export interface Paths {
  "/api/v1/alarms": (AlarmView)[]
  "/api/v1/alarms/{gateway}/{alarm}/actions": (unknown)[]
  "/api/v1/alarms/{gateway}/{alarm}/journal": (AlarmView)[]
  "/api/v1/alarms/{gateway}/{alarm}/proof": ProofView
  "/api/v1/annunciator": AnnunciatorPage
  "/api/v1/audit": (EntryView)[]
  "/api/v1/audit/verify": Report
  "/api/v1/cases": CasePage
  "/api/v1/cases/{id}": CaseDetail
  "/api/v1/cases/{id}/pack": unknown
  "/api/v1/channels": (ChannelView)[]
  "/api/v1/events": (EventView)[]
  "/api/v1/feeds": Record<string, unknown>
  "/api/v1/feeds/{feed}/quarantine": Record<string, unknown>
  "/api/v1/gateways": (GatewayView)[]
  "/api/v1/kpi": Record<string, unknown>
  "/api/v1/ledger": (LedgerView)[]
  "/api/v1/me": Me
  "/api/v1/me/sessions": (SessionView)[]
  "/api/v1/me/tokens": (TokenView)[]
  "/api/v1/notices": (NoticeView)[]
  "/api/v1/organisation": OrganisationView
  "/api/v1/people": (PersonView)[]
  "/api/v1/people/{person}/sessions": (SessionView)[]
  "/api/v1/people/{person}/tokens": (TokenView)[]
  "/api/v1/points": (PointView)[]
  "/api/v1/points/{gateway}/{point}/forecast": ForecastView
  "/api/v1/points/{gateway}/{point}/history": HistoryView
  "/api/v1/quarantine": QuarantineView
  "/api/v1/readings": ReadingsView
  "/api/v1/requests": (RequestView)[]
  "/api/v1/risk/fact": FactView
  "/api/v1/risk/units": UnitsView
  "/api/v1/risk/warnings": WarningPage
  "/api/v1/risk/warnings/{gateway}/{alarm}": WarningView
  "/api/v1/rules": RulePage
  "/api/v1/rules/{id}": RuleView
  "/api/v1/rules/{id}/versions/{version}": VersionView
  "/api/v1/schemas/{name}": Record<string, unknown>
  "/api/v1/sign-in": WayIn
  "/api/v1/sites": (SiteOutlineView)[]
  "/api/v1/system": SystemView
}
