// The sentences of explanations and plans in German, by their codes (hydria/model/sentences.py). A test compares the two lists.
import type { Body } from "./api.ts";
import { when } from "./format.ts";
import { fill } from "./i18n.ts";
import { language } from "./state.ts";

export const GERMAN: Record<string, string> = {
  not_served: "Revision {revision} wird nicht ausgeführt: {reason}",
  deleting: "Das Löschen ist im Gang.",
  changing: "Revision {revision} wird gerade umgesetzt.",
  switched_off: "Er ist abgeschaltet.",
  served: "Jede Amphora führt Revision {revision} aus.",
  member_fails: "Member {member} besteht seine Prüfungen nicht ({failing} von {all} Membern):",
  members_fail: "{failing} von {all} Membern bestehen ihre Prüfungen nicht, darunter {member}:",
  served_in_part: "Ein Teil davon wird nicht wie eingestellt ausgeführt.",
  no_host: "Noch hat kein Host eine Amphora davon.",
  removal_unreported: "{host} hat noch nicht gemeldet, dass er seine Amphora entfernt hat.",
  revision_unreported: "{host} führt Revision {served} aus und hat Revision {revision} noch nicht gemeldet.",
  first_unreported: "{host} führt noch nichts aus und hat Revision {revision} noch nicht gemeldet.",
  told: "{text}",
  host: "Host {name}",
  some_host: "Der Host einer Amphora",
  check_fails: "Die Prüfung schlägt fehl.",
  check_fails_by: "Die Prüfung schlägt fehl: {text}.",
  check_of_host_fails: "Die Prüfung von Host {host} schlägt fehl.",
  check_of_host_fails_by: "Die Prüfung von Host {host} schlägt fehl: {text}.",
  status_unexpected: "er antwortet mit Status {code} statt {expected}",
  flows_lost: "Ein Teil seiner Verbindungen erreicht ihn nicht.",
  failure_over: "Revision {revision} war einmal fehlgeschlagen und wird jetzt ausgeführt: {reason}",
  acme_ordering: "Das Zertifikat für {names} wird bestellt; bis dahin bekommen Clients ein selbst signiertes.",
  acme_issued: "Das Zertifikat für {names} gilt bis {until} und wird ab {next} erneuert.",
  acme_failed: "Die letzte Bestellung für {names} ist fehlgeschlagen, um {next} folgt die nächste: {reason}",
  acme_kept: "Das jetzige gilt bis {until}.",
  no_listener: "An Port {port} ({kind}) ist kein Listener.",
  listener_off: "Der Listener ist abgeschaltet, darum antwortet an Port {port} nichts.",
  load_balancer_off: "Der Load Balancer ist abgeschaltet, darum antwortet an Port {port} nichts.",
  source_denied: "Die Quelle {source} liegt in keinem der erlaubten Netze des Listeners.",
  scheme_unknown: "Ein Listener mit {protocol} versteht {scheme} nicht.",
  metrics: "Der Listener antwortet mit Metriken.",
  sni_exact: "Sein Zertifikat {reference} hat den Servernamen {sni}.",
  sni_wildcard: "Sein Zertifikat {reference} hat einen Platzhalter, der zum Servernamen {sni} passt.",
  sni_default:
    "Kein Zertifikat hat den Servernamen {sni}, darum bekommt der Client das Standardzertifikat {reference}.",
  client_certificate_missing: "Der TLS-Handshake scheitert, weil der Listener ein Zertifikat des Clients verlangt.",
  client_certificate_refused: "Der TLS-Handshake scheitert, weil das Zertifikat des Clients {reason} ({result}).",
  client_certificate_accepted: "Das Zertifikat des Clients wird angenommen.",
  client_certificate_unasked: "Der Listener verlangt kein Zertifikat des Clients.",
  no_crl: "einen Aussteller ohne Sperrliste hat",
  not_yet_valid: "noch nicht gültig ist",
  expired: "abgelaufen ist",
  self_signed: "selbst signiert ist",
  unknown_issuer: "nicht von der Stelle des Listeners stammt",
  revoked: "gesperrt ist",
  not_verified: "nicht geprüft werden kann",
  policy_off: "Sie ist abgeschaltet.",
  policy_empty: "Sie hat keine eingeschaltete Regel, also trifft sie nie zu.",
  rule_matches: "Ihre Regel trifft zu.",
  rules_match: "Alle ihre Regeln treffen zu.",
  rule_fails: "{failing} von {all} ihrer Regeln trifft nicht zu.",
  rules_fail: "{failing} von {all} ihrer Regeln treffen nicht zu.",
  inverted: "Die Regel ist umgekehrt.",
  certificate_shown: "Der Client hat ein Zertifikat.",
  certificate_missing: "Der Client hat kein Zertifikat.",
  verified: "Die Prüfung des Zertifikats ergibt {result}.",
  verified_not: "Die Prüfung des Zertifikats ergibt {result}, nicht {wanted}.",
  no_tls: "Es gibt kein TLS.",
  absent: "In der Anfrage fehlt: {subject}.",
  equals: "{subject} {shown} ist gleich {value}.",
  starts_with: "{subject} {shown} beginnt mit {value}.",
  ends_with: "{subject} {shown} endet auf {value}.",
  contains: "{subject} {shown} enthält {value}.",
  matches: "{subject} {shown} passt zum Ausdruck {value}.",
  equals_not: "{subject} {shown} ist nicht gleich {value}.",
  starts_not: "{subject} {shown} beginnt nicht mit {value}.",
  ends_not: "{subject} {shown} endet nicht auf {value}.",
  contains_not: "{subject} {shown} enthält nicht {value}.",
  matches_not: "{subject} {shown} passt nicht zum Ausdruck {value}.",
  host_name: "Hostname",
  path: "Pfad",
  file_type: "Dateityp",
  header: "Header {name}",
  cookie: "Cookie {name}",
  certificate_field: "Zertifikatsfeld {name}",
  policy_rejects: "Policy {policy} (Position {position}) weist sie ab.",
  policy_redirects: "Policy {policy} (Position {position}) leitet sie auf {location} um.",
  policy_decides: "Policy {policy} (Position {position}) entscheidet.",
  default_decides: "Der Standardpool entscheidet.",
  no_policy_matches: "Keine Policy trifft zu, also entscheidet der Standardpool.",
  default_off: "Der Standardpool ist abgeschaltet.",
  default_missing: "Der Listener hat keinen Standardpool.",
  pool_empty: "Pool {pool} hat keinen Member, der Anfragen annimmt.",
  to_pool: "Sie geht an Pool {pool}; nehmen kann sie {members}.",
  to_pool_with_more: "Sie geht an Pool {pool}; nehmen können sie {members} und {more} weitere.",
  member_takes: "Er läuft und hat Gewicht {weight} von {total}.",
  member_backup: "Er ist ein Ersatz-Member, und andere laufen.",
  member_off: "Er ist abgeschaltet.",
  member_drained: "Sein Gewicht ist 0: Er behält seine Clients und bekommt keine neuen.",
  member_down: "Seine Prüfungen schlagen fehl.",
  step_make: "auf einem Host eine Amphora anlegen und HAProxy starten, wenn ein Listener es braucht",
  step_reload:
    "einen neuen HAProxy-Prozess starten, der die Listener übernimmt; der alte endet mit seiner letzten Verbindung, spätestens durch die Zeitgrenzen des Listeners",
  step_start: "HAProxy starten",
  step_end: "HAProxy mit seiner letzten Verbindung enden lassen",
  step_nftables: "die Regeln von nftables in einer Transaktion laden",
  step_renew: "ein Zertifikat ersetzen ({file})",
  step_include: "ein Zertifikat hinzufügen ({file})",
  step_exclude: "ein Zertifikat entfernen ({file})",
  step_rotate: "den ältesten Schlüssel der TLS-Tickets ersetzen",
  step_add: "Member {member} von Pool {pool} hinzufügen",
  step_remove: "Member {member} von Pool {pool} abschalten und mit seiner letzten Verbindung entfernen",
  step_weight: "Member {member} von Pool {pool}: Gewicht von {before} auf {after} setzen",
  step_on: "Member {member} von Pool {pool}: einschalten",
  step_off: "Member {member} von Pool {pool}: abschalten",
  step_new_amphora: "eine neue Amphora anlegen",
  step_move: "die VIPs auf sie umziehen",
  step_old_amphora: "die alte mit ihrer letzten Verbindung entfernen",
  step_removal: "die Amphoren von ihren Hosts entfernen",
  step_ports: "die Ports löschen, die Hydria angelegt hat",
  cut_listener: "Der Listener wird nicht mehr ausgeführt, darum enden seine Verbindungen.",
  cut_member: "Der Member bekommt keinen Verkehr mehr, darum enden seine Verbindungen.",
  cut_load_balancer: "Der Load Balancer wird gelöscht und mit ihm seine Amphoren.",
  note_drain: "Offene Verbindungen laufen über die alte Amphora weiter, bis failover.drain_seconds vergangen sind.",
  note_port: "Die Amphoren bekommen einen Port im Subnetz {subnet} mit einer eigenen Adresse.",
  note_vip: "Der Port der VIP ändert sich.",
  kept_by_address: "Die Adresse eines Clients hält ihn bei seinem Member.",
  kept_by_cookie: "Ein Cookie des Load Balancers (SRV) hält einen Client bei seinem Member.",
  kept_by_own_cookie: "Das Cookie {cookie} der Member hält einen Client bei seinem Member.",
};

/** Return a sentence of the API in the user's language; a sentence without a known code stays English. */
export function said(body: Body, text: string = body?.sentence ?? ""): string {
  const words: Body[] = body?.words ?? [];
  const known = language.value === "de" && words.length > 0 && words.every(isKnown);
  return local(known ? words.map(german).join(" ") : text);
}

/** Return a text with the API's times in the user's zone. */
function local(text: string): string {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\b/g, (stamp) => when(stamp, language.value));
}

function isKnown(word: Body): boolean {
  return word.code in GERMAN && Object.values(word.values).every((one) => !isWord(one) || isKnown(one));
}

function isWord(value: Body): boolean {
  return typeof value === "object" && value !== null;
}

function german(word: Body): string {
  const values = Object.entries(word.values).map(([name, value]) => [name, isWord(value) ? german(value) : value]);
  return fill(GERMAN[word.code] ?? "", Object.fromEntries(values));
}
