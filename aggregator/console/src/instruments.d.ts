declare module 'virtual:instruments' {
  const instruments: readonly import('./lib/first').Instrument[]
  export default instruments
}
