"use strict"
// The table is the data: a cell's text has a mark per stripe, and ids, areas and kinds are its
// rows'. Evidence is loaded by <script>, since pages on file:// may not fetch.

const $ = (id) => document.getElementById(id)
const client = JSON.parse($("client").textContent)
const root = document.body.dataset.repro ? "../" : ""
const grid = $("matrix")
const FACTS = new Set(["affected", "unaffected", "not-applicable"])
const EFFECTS = ["gained", "lost", "kept", "unknown"]
const SIGNS = { gained: "+", lost: "−", kept: "=", unknown: "?" }

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else if (value !== false) node.setAttribute(name, value === true ? "" : value)
  }
  node.append(...children.filter((child) => child !== ""))
  return node
}

// ---- what files hand over

const received = { evidence: {}, environments: null }
const krepro = {
  evidence: (id, data) => { received.evidence[id] = data },
  environments: (data) => { received.environments = data },
}
window.krepro = krepro

const loading = {}
const load = (path) => loading[path] ??= new Promise((resolve, reject) => {
  const failed = () => {
    delete loading[path]
    reject(new Error(`${path} cannot be read: it must lie beside the page, as krepro page wrote it`))
  }
  document.head.append(make("script", { src: root + path, onload: resolve, onerror: failed }))
})

// ---- cells

const verdictOf = (mark) => client.verdicts[mark]
const columnOf = (cell) => client.columns[cell.cellIndex - 1]
const stacksOf = (cell) => {
  const column = columnOf(cell)
  if (column.reference) return [client.references[column.line]]
  const own = cell.parentNode.dataset.stack
  return own ? client.stacks.filter((stack) => stack.name === own) : client.stacks
}
const reproOf = (cell) => document.body.dataset.repro || cell.parentNode.dataset.id
const marksOf = (cell) => cell.textContent.trim()
const markIn = (cell, stack) => {
  const number = stacksOf(cell).findIndex((each) => each.name === stack)
  return marksOf(cell)[number] || "?"
}
const said = (mark) => verdictOf(mark)?.[0] || "not measured"
const told = (cell) => {
  const marks = marksOf(cell)
  const parts = stacksOf(cell).map((stack, n) => `${stack.label} ${said(marks[n])}`)
  return `${columnOf(cell).release}: ${parts.join(", ")}`
}
const rows = [...grid.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.cells.length > 1)
const sample = (mark) => {
  const verdict = verdictOf(mark)
  return make("span", { class: "sample" }, make("i", { class: verdict ? verdict[1] : "unknown" }),
    verdict ? verdict[0] : "not measured")
}

// ---- evidence

const dialog = $("evidence")
let shown = null

const command = (text) => make("p", { class: "command" }, make("code", {}, text), copier(() => text))
const copier = (text) => make("button", {
  type: "button",
  class: "copy",
  onclick: async (event) => {
    const button = event.currentTarget
    const before = button.dataset.label ??= button.textContent
    try {
      await navigator.clipboard.writeText(text())
      button.textContent = "Copied"
    } catch {
      button.textContent = "Copying is not allowed here"
    }
    setTimeout(() => { button.textContent = before }, 1500)
  },
}, "Copy")

const facts = (pairs) => make("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) =>
  [make("dt", {}, name), make("dd", {}, ...[value].flat())]))
const functions = (entries, texts) => entries.map(([name, mark, message]) =>
  make("div", {}, make("code", {}, name), " ", said(mark), texts[message] ? `: ${texts[message]}` : ""))

const told_of = (repro, release, stack) => {
  const { texts, entries, at } = received.evidence[repro]
  const entry = entries[at[stack.name]?.[release]]
  const reference = stack.name in client.references
  const run = `krepro run ${repro}${reference ? "" : ` -r ${release}`} ${stack.flag}`
  const part = make("section", { "data-stack": stack.name })
  if (!entry) {
    part.append(make("h3", {}, stack.label, sample("?")),
      make("p", {}, reference ? "Not measured: most often because the repro has no meaning there."
        : "Nothing is stored for this cell. To measure it:"))
    if (!reference) part.append(command(`krepro matrix ${repro} -r ${release} ${stack.flag}`))
    return part
  }
  const [mark, message, seconds, runs, measured, version, isolation, tests, works, output, declared] = entry
  const { measured: cells, published } = received.environments
  const own = measured ? cells[stack.name]?.[release] : published[stack.name]
  const environment = own || {}
  part.append(make("h3", {}, stack.label, sample(mark), make("small", {}, stack.name)),
    make("p", {}, `${verdictOf(mark)[2][0].toUpperCase()}${verdictOf(mark)[2].slice(1)}.`))
  if (texts[message]) part.append(make("pre", { tabindex: 0 }, texts[message]))
  part.append(facts([
    ["Declared", declared && `${declared}: the verdict differs from the metadata`],
    ["Tests", functions(tests, texts)],
    ["Workarounds", functions(works, texts)],
    ["From", measured ? `a run on ${measured.replace("T", " ").replace("Z", " UTC")}, krepro ${version}` : "published results (they keep verdicts, not output)"],
    ["Took", measured && `${seconds} s, ${runs} ${runs === 1 ? "run" : "runs"}${isolation && `, isolation ${isolation}`}`],
    ["Keras", environment.keras || release],
    ["Backend", [stack.label.split(" (")[0], environment.backend_version].filter(Boolean).join(" ")],
    ["Python", environment.python],
    ["NumPy", environment.numpy],
    ["Platform", environment.platform],
    ["Lock", environment.lock],
  ]))
  if (texts[output]?.trim()) part.append(make("p", {}, "Output"), make("pre", { tabindex: 0, class: "output" }, texts[output]))
  part.append(make("p", {}, measured ? "To see it again:" : "To see its output:"), command(run))
  return part
}

const neighbours = (cell) => {
  const own = [...cell.parentNode.cells].filter((each) => each.tagName === "TD" && each.offsetParent)
  const place = own.indexOf(cell)
  return [own[place - 1], own[place + 1]]
}

const open = async (repro, release, stacks, title, cell) => {
  shown = { repro, release, cell }
  const where = $("evidence-where")
  where.replaceChildren(document.body.dataset.repro ? make("code", {}, repro)
    : make("a", { href: `repro/${repro}.html` }, repro))
  $("evidence-title").textContent = `${title} on ${release}`
  for (const [id, other, arrow] of [["earlier", 0, "← "], ["later", 1, " →"]]) {
    const button = $(id)
    const target = cell && neighbours(cell)[other]
    button.hidden = !cell
    button.disabled = !target
    const name = target ? columnOf(target).release : "none"
    button.textContent = other ? name + arrow : arrow + name
    button.onclick = () => openCell(target)
  }
  const body = $("evidence-body")
  body.replaceChildren(make("p", {}, "Loading…"))
  if (!dialog.open) dialog.showModal()
  dialog.scrollTop = 0
  write()
  try {
    await Promise.all([load("environments.js"), load(`evidence/${repro}.js`)])
  } catch (error) {
    if (shown?.repro === repro) body.replaceChildren(make("p", {}, error.message))
    return
  }
  if (shown?.repro !== repro || shown.release !== release) return
  body.replaceChildren(...stacks.map((stack) => told_of(repro, release, stack)))
}

const openCell = (cell) => {
  const title = document.body.dataset.repro ? document.querySelector("h1").textContent
    : cell.parentNode.cells[0].querySelector("a").textContent
  const only = state.backend
  const stacks = stacksOf(cell)
  const first = stacks.filter((stack) => stack.name === only)
  focusOn(cell, false)
  return open(reproOf(cell), columnOf(cell).release, first.length ? first : stacks, title, cell)
}

$("evidence-close").onclick = () => dialog.close()
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })
dialog.addEventListener("close", () => {
  const cell = shown?.cell
  shown = null
  write()
  if (cell) focusOn(cell)
})

// ---- the keyboard: one stop for Tab, arrows inside

let focused = null
const stopsOf = (row) => [row.cells[0].querySelector("a"), ...row.cells]
  .filter((node) => node && node.tagName !== "TH" && node.offsetParent)
const focusOn = (node, really = true) => {
  if (focused) focused.tabIndex = -1
  focused = node
  node.tabIndex = 0
  if (really) {
    node.focus({ preventScroll: true })
    node.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
}
const seen = () => rows.filter((row) => row.offsetParent)
const moves = {
  ArrowLeft: (row, n) => [row, n - 1],
  ArrowRight: (row, n) => [row, n + 1],
  ArrowUp: (row, n, all) => [all[all.indexOf(row) - 1], n],
  ArrowDown: (row, n, all) => [all[all.indexOf(row) + 1], n],
  PageUp: (row, n, all) => [all[Math.max(0, all.indexOf(row) - 10)], n],
  PageDown: (row, n, all) => [all[Math.min(all.length - 1, all.indexOf(row) + 10)], n],
  Home: (row, n, all, far) => [far ? all[0] : row, 0],
  End: (row, n, all, far) => [far ? all.at(-1) : row, Infinity],
}
grid.addEventListener("keydown", (event) => {
  const node = event.target.closest("td, tbody a")
  if (!node) return
  if (node.tagName === "TD" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault()
    openCell(node)
    return
  }
  const move = moves[event.key]
  if (!move || event.altKey || event.metaKey) return
  event.preventDefault()
  const from = node.closest("tr")
  const [row, n] = move(from, stopsOf(from).indexOf(node), seen(), event.ctrlKey)
  if (!row) return
  const stops = stopsOf(row)
  focusOn(stops[Math.max(0, Math.min(n, stops.length - 1))])
})
grid.addEventListener("click", (event) => {
  const cell = event.target.closest("td")
  if (cell) openCell(cell)
})
grid.addEventListener("mouseover", (event) => {
  const cell = event.target.closest("td")
  mark(cell)
  if (cell && !cell.title) cell.title = told(cell)
})
grid.addEventListener("mouseleave", () => mark(null))
grid.addEventListener("focusin", (event) => mark(event.target.closest("td")))
const patches = [...grid.tHead.rows[1].cells]
const mark = (cell) => {
  grid.querySelector("thead .on")?.classList.remove("on")
  if (cell) patches[cell.cellIndex - 1]?.classList.add("on")
}

// ---- the choice, kept in the address

const form = $("choice")
const DEFAULT = { q: "", backend: "", area: "", kind: "", affected: "", a: "", b: "", show: "gained,lost", fold: "", at: "" }
const narrow = window.matchMedia("(max-width: 700px)").matches
const lines = [...new Set(client.columns.filter((c) => !c.reference).map((c) => c.line))]
  .filter((line) => client.columns.filter((c) => c.line === line).length > 1)
let state = { ...DEFAULT }

const read = () => {
  const given = new URLSearchParams(location.hash.slice(1))
  state = { ...DEFAULT, fold: narrow ? "all" : "" }
  for (const name of Object.keys(DEFAULT)) if (given.has(name)) state[name] = given.get(name)
  if (form) {
    for (const name of ["q", "backend", "area", "kind", "a", "b"]) {
      form.elements[name].value = state[name]
      // An address by hand, or of another page: what is not there is not chosen.
      if (form.elements[name].value !== state[name]) form.elements[name].value = state[name] = ""
    }
    form.elements.affected.checked = Boolean(state.affected)
  }
}
const write = () => {
  state.at = shown?.cell ? [shown.repro, shown.release].join("@") : ""
  const kept = new URLSearchParams()
  for (const [name, value] of Object.entries(state)) {
    const usual = name === "fold" && narrow ? "all" : DEFAULT[name]
    if (value !== usual && !(name === "show" && !comparing())) kept.set(name, value)
  }
  const hash = kept.toString()
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`)
}
const comparing = () => Boolean(state.a && state.b && state.a !== state.b)
const folded = () => new Set(state.fold === "all" ? lines : state.fold.split(",").filter(Boolean))

const effectOf = (before, after) => {
  const [was, is] = [said(before), said(after)]
  if (was === "affected" && is === "affected") return "kept"
  if (!FACTS.has(was) || !FACTS.has(is)) return "unknown"
  if (was === "affected") return "lost"
  return is === "affected" ? "gained" : ""
}
const indexOf = (release) => client.columns.findIndex((c) => !c.reference && c.release === release) + 1
const chosen = () => client.stacks.filter((stack) => !state.backend || stack.name === state.backend)

/** Return the effects of going from A to B on a row, by stack. */
const effects = (row) => {
  const [a, b] = [row.cells[indexOf(state.a)], row.cells[indexOf(state.b)]]
  return chosen().map((stack) => [stack, effectOf(markIn(a, stack.name), markIn(b, stack.name))])
}

const fits = (row) => {
  if (state.kind && row.dataset.kind !== state.kind) return false
  if (state.area && row.parentNode.dataset.area !== state.area) return false
  const text = `${row.dataset.id} ${row.cells[0].firstChild.textContent} ${row.dataset.words}`.toLowerCase()
  if (!state.q.toLowerCase().split(/\s+/).every((word) => text.includes(word))) return false
  if (!state.affected) return true
  const names = chosen().map((stack) => stack.name)
  return [...row.cells].some((cell) => cell.tagName === "TD" && !columnOf(cell).reference
    && names.some((name) => said(markIn(cell, name)) === "affected"))
}

const change = (rowsThatFit) => {
  const part = $("changes")
  part.hidden = !comparing()
  grid.querySelectorAll(".effects").forEach((node) => node.remove())
  if (part.hidden) return rowsThatFit
  const show = new Set(state.show.split(","))
  const counts = new Map(chosen().map((stack) => [stack.label, Object.fromEntries(EFFECTS.map((e) => [e, 0]))]))
  const kept = []
  for (const row of rowsThatFit) {
    const found = effects(row).filter(([, effect]) => effect)
    for (const [stack, effect] of found) counts.get(stack.label)[effect] += 1
    if (found.some(([, effect]) => show.has(effect))) kept.push(row)
    const tags = EFFECTS.flatMap((effect) => {
      const stacks = found.filter(([, own]) => own === effect).map(([stack]) => stack.label)
      const where = stacks.length === client.stacks.length ? "" : `: ${stacks.join(", ")}`
      return stacks.length ? [make("b", { class: effect }, `${SIGNS[effect]} ${effect === "unknown" ? "not known" : effect}${where}`)] : []
    })
    if (tags.length) row.cells[0].append(make("span", { class: "effects" }, ...tags))
  }
  $("changes-title").textContent = `From ${state.a} to ${state.b}`
  part.querySelector("tbody").replaceChildren(...[...counts].map(([label, own]) =>
    make("tr", {}, make("th", { scope: "row" }, label), ...EFFECTS.map((e) => make("td", { class: e }, `${own[e] ? SIGNS[e] + " " : ""}${own[e]}`)))))
  part.querySelectorAll("[data-effect]").forEach((button) => button.setAttribute("aria-pressed", show.has(button.dataset.effect)))
  $("upgrade").textContent = `krepro upgrade --from ${state.a} --to ${state.b}`
  return kept
}

const fold = () => {
  const shut = folded()
  const ends = new Set([state.a, state.b])
  const hidden = []
  client.columns.forEach((column, n) => {
    const newest = client.columns.findLastIndex((c) => c.line === column.line) === n
    if (!column.reference && shut.has(column.line) && !newest && !(comparing() && ends.has(column.release))) hidden.push(n)
  })
  const off = hidden.flatMap((n) => [`#matrix col:nth-child(${n + 2})`, `#matrix td:nth-child(${n + 2})`, `#matrix .patch th:nth-child(${n + 1})`])
  const cut = comparing() ? [...ends].map((end) => indexOf(end) + 1) : []
  const between = cut.length ? client.columns.flatMap((column, n) =>
    column.reference || n + 2 < Math.min(...cut) || n + 2 > Math.max(...cut) ? [`#matrix td:nth-child(${n + 2})`] : []) : []
  $("folds").textContent = `${off.length ? `${off}{display:none}` : ""}${between.length ? `${between}{opacity:.3}` : ""}`
    + cut.map((n) => `#matrix td:nth-child(${n}){box-shadow:inset 2px 0 var(--accent),inset -2px 0 var(--accent)}#matrix .patch th:nth-child(${n - 1}){background:var(--accent);color:var(--paper)}`).join("")
  grid.style.setProperty("--columns", client.columns.length - hidden.length)
  for (const head of grid.tHead.rows[0].cells) {
    const line = head.dataset.line
    if (!line) continue
    head.colSpan = client.columns.filter((c, n) => c.line === line && !hidden.includes(n)).length
    const button = head.querySelector("button")
    if (button) {
      button.setAttribute("aria-expanded", !shut.has(line))
      button.title = shut.has(line) ? `Show every ${line} release` : `Show only the newest ${line} release`
    }
  }
  const all = lines.length > 0 && lines.every((line) => shut.has(line))
  grid.classList.toggle("folded", all)
  $("fold")?.setAttribute("aria-pressed", all)
}

const render = () => {
  fold()
  if (!form) return
  if (state.backend) grid.dataset.stack = state.backend
  else delete grid.dataset.stack
  const all = new Set(change(rows.filter(fits)))
  for (const row of rows) row.hidden = !all.has(row)
  for (const body of grid.tBodies) body.hidden = ![...body.rows].some((row) => all.has(row))
  $("shown").textContent = all.size === rows.length ? `${rows.length} repros` : `${all.size} of ${rows.length} repros`
  $("none").hidden = all.size > 0
  if (!focused?.offsetParent) {
    const first = seen()[0]
    if (first) focusOn(stopsOf(first)[1], false)
  }
}
const choose = (changes) => {
  Object.assign(state, changes)
  render()
  write()
}

// ---- set up

for (const head of grid.tHead.rows[0].cells) {
  const line = head.dataset.line
  if (!lines.includes(line)) continue
  head.replaceChildren(make("button", {
    type: "button",
    onclick: () => {
      const shut = folded()
      if (!shut.delete(line)) shut.add(line)
      choose({ fold: shut.size === lines.length ? "all" : [...shut].join(",") || (narrow ? "none" : "") })
    },
  }, line))
}
document.head.append(make("style", { id: "folds" }))
grid.setAttribute("role", "grid")
grid.querySelectorAll("tbody a").forEach((link) => { link.tabIndex = -1 })

const theme = $("theme")
const dark = () => {
  const chosenTheme = document.documentElement.dataset.theme
  return chosenTheme ? chosenTheme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches
}
const label = () => { theme.textContent = dark() ? "☀ Light" : "☾ Dark" }
theme.hidden = false
theme.onclick = () => {
  const wanted = dark() ? "light" : "dark"
  document.documentElement.dataset.theme = wanted
  try { localStorage.setItem("krepro-theme", wanted) } catch { /* kept for this page alone */ }
  label()
}
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label)
label()

document.querySelectorAll(".copy").forEach((button) => {
  const source = () => (button.dataset.copies ? $(button.dataset.copies) : button.previousElementSibling).textContent
  const active = copier(source)
  active.textContent = button.textContent
  button.replaceWith(active)
})
document.querySelectorAll(".opens").forEach((button) => {
  button.hidden = false
  const { stack, release } = button.dataset
  button.onclick = () => open(document.body.dataset.repro, release,
    [client.references[stack]], document.querySelector("h1").textContent, null)
})

if (form) {
  $("filters").hidden = $("fold").hidden = false
  $("filters").open = !narrow || location.hash.length > 1
  form.onsubmit = (event) => event.preventDefault()
  form.oninput = () => {
    const given = Object.fromEntries(new FormData(form))
    choose({ affected: "", ...given })
  }
  form.onreset = () => choose({ ...DEFAULT, fold: state.fold })
  $("again").onclick = () => form.reset()
  $("swap").onclick = () => {
    const [a, b] = [form.elements.a.value, form.elements.b.value]
    form.elements.a.value = b
    form.elements.b.value = a
    form.oninput()
  }
  $("fold").onclick = () => choose({ fold: lines.every((line) => folded().has(line)) ? (narrow ? "none" : "") : "all" })
  document.querySelectorAll("[data-effect]").forEach((button) => {
    button.onclick = () => {
      const show = new Set(state.show.split(",").filter(Boolean))
      if (!show.delete(button.dataset.effect)) show.add(button.dataset.effect)
      choose({ show: EFFECTS.filter((effect) => show.has(effect)).join(",") })
    }
  })
  const share = copier(() => location.href)
  share.textContent = "Copy the link"
  share.id = "share"
  $("share").replaceWith(share)
}

const arrive = () => {
  read()
  render()
  const [id, release] = state.at.split("@")
  const row = document.body.dataset.repro ? rows[0] : rows.find((each) => each.dataset.id === id)
  const cell = release && row?.cells[client.columns.findIndex((c) => c.release === release) + 1]
  if (cell?.tagName === "TD") openCell(cell)
  else if (dialog.open) dialog.close()
}
window.addEventListener("hashchange", arrive)
arrive()

// Names for screen readers: 7000 of them, so when there is time.
const name = () => rows.forEach((row) => [...row.cells].forEach((cell) => {
  if (cell.tagName === "TD") cell.setAttribute("aria-label", told(cell))
}))
if (window.requestIdleCallback) requestIdleCallback(name)
else setTimeout(name)
