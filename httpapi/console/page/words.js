// Texts, numbers and times in the language of the browser. texts.js has the texts.

const language = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => tag in texts) ?? "en";
// Numbers and dates follow the region, as far as it speaks the language of the texts.
const locale = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;

const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);
const rates = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });

// t returns a text with its parameters. Where it depends on a number n, there is one for each
// form of the plural.
function t(key, params = {}) {
  const all = texts[language];
  const form = params.n === undefined ? undefined : all[`${key}.${plurals.select(params.n)}`];
  const text = form ?? all[key] ?? all[`${key}.other`] ?? texts.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = params[name];
    return typeof value === "number" ? numbers.format(value) : String(value ?? "");
  });
}

// has tells whether there is a text for a code of the service.
function has(key) { return key in texts[language]; }

function timeText(stamp) { return stamp ? dates.format(new Date(stamp)) : "–"; }

function durationText(seconds) {
  if (seconds < 1) return t("time.moment");
  if (seconds < 90) return t("time.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return t("time.minutes", { n: Math.round(seconds / 60) });
  return t("time.hours", { n: Math.round(seconds / 3600) });
}

function sizeText(bytes) {
  const [unit, value] = bytes >= 1e6 ? ["megabyte", bytes / 1e6] : bytes >= 1e3 ? ["kilobyte", bytes / 1e3] : ["byte", bytes];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: unit === "byte" ? "long" : "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}
