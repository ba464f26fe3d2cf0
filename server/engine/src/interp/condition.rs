//! Conditions of rules and models, and the rules that judge calls, assignments and fallbacks.

use super::{Interp, MarkFact, Pos, RawFinding, Record, Value, call::CallSite, exec::U};
use crate::{
    finding::{Confidence, Persona},
    ir::{ExprId, ExprKind, Lit, Op, Span, Sym, sym},
    judge::text,
    rules::{CallRoles, Clause, Condition, Const, Mark, MemberRoles, Models, NO_ENTRY, RuleKind, Selector, Sink, SinkBits, Test},
};

/// What conditions are asked about.
struct Subject<'s> {
    site: Option<&'s CallSite<'s>>,
    /// The right side of an assignment, the default of a fallback.
    value: Option<(&'s Value, U<'s>, ExprId)>,
    target: Option<Sym>,
}

impl Interp<'_> {
    /// Whether all conditions hold of a call.
    pub(super) fn holds(&mut self, site: &CallSite<'_>, when: &[Condition]) -> bool {
        when.is_empty() || self.all_hold(&Subject { site: Some(site), value: None, target: self.frame.target }, when, &mut Vec::new())
    }

    fn all_hold(&self, subject: &Subject<'_>, when: &[Condition], needs: &mut Vec<(Sym, bool)>) -> bool {
        when.iter().all(|c| match c {
            Condition::Arg { selector, key, tests } => self.argument(subject, selector, key.as_deref(), tests),
            Condition::Target(p) => subject.target.is_some_and(|t| p.is_match(&t)),
            Condition::NotTarget(p) => !subject.target.is_some_and(|t| p.is_match(&t)),
            Condition::NotInside(p) => ![self.frame.name, self.frame.class].into_iter().flatten().any(|n| p.is_match(&n)),
            Condition::Inside(p) => [self.frame.name, self.frame.class].into_iter().flatten().any(|n| p.is_match(&n)),
            Condition::Words(p) => subject.site.is_some_and(|s| p.is_match(&words(s))),
            Condition::File(p) => p.is_match(self.setup.path),
            Condition::NotFile(p) => !p.is_match(self.setup.path),
            Condition::Has(k) => {
                needs.push((*k, true));
                true
            }
            Condition::Lacks(k) => {
                needs.push((*k, false));
                true
            }
        })
    }

    fn argument(&self, subject: &Subject<'_>, selector: &Selector, key: Option<&[Sym]>, tests: &[Test]) -> bool {
        let unit = subject.site.map(|s| s.unit).or(subject.value.map(|v| v.1));
        match selector {
            Selector::Any => {
                let Some(site) = subject.site else { return false };
                site.args.iter().any(|a| {
                    let picked = pick(&a.value, key);
                    tests.iter().all(|t| self.test(t, picked.as_ref(), unit, Some(a.expr)))
                        || key.is_none() && tests.iter().any(|t| matches!(t, Test::Name(_))) && self.part_named(site.unit, a.expr, tests)
                })
            }
            Selector::Receiver => {
                let v = subject.site.and_then(|s| s.receiver);
                let x = subject.site.and_then(|s| s.receiver_expr);
                let picked = v.and_then(|v| pick(v, key));
                tests.iter().all(|t| self.test(t, picked.as_ref(), unit, x))
            }
            Selector::Value => {
                let picked = subject.value.and_then(|(v, ..)| pick(v, key));
                tests.iter().all(|t| self.test(t, picked.as_ref(), unit, subject.value.map(|v| v.2)))
            }
            _ => {
                let a = subject.site.and_then(|s| s.select(selector));
                // An object that is not a literal may hold the option.
                if let (Some(a), Some(_)) = (a, key)
                    && pick(&a.value, key).is_none()
                    && !a.value.object.as_ref().is_some_and(|o| o.closed)
                {
                    return false;
                }
                // `f(**options)` may give any keyword.
                if a.is_none()
                    && subject.site.is_some_and(|s| s.args.iter().any(|a| a.spread))
                    && tests.iter().any(|t| matches!(t, Test::Missing(true)))
                {
                    return false;
                }
                let picked = a.and_then(|a| pick(&a.value, key));
                tests.iter().all(|t| self.test(t, picked.as_ref(), unit, a.map(|a| a.expr)))
            }
        }
    }

    /// Whether the tests hold of something that a text or a container is put together from right here.
    fn part_named(&self, u: U<'_>, whole: ExprId, tests: &[Test]) -> bool {
        let mut open = vec![whole];
        let mut seen = 0;
        while let Some(x) = open.pop() {
            seen += 1;
            if seen > 64 {
                return false;
            }
            match &u.expr(x).kind {
                ExprKind::Template(parts) | ExprKind::List(parts) => open.extend(parts),
                ExprKind::Format { value, .. } => open.push(*value),
                ExprKind::Binary { op: Op::Add | Op::Mod, left, right } => open.extend([*left, *right]),
                ExprKind::Map(entries) => open.extend(entries.iter().map(|e| e.value)),
                ExprKind::Call { callee, args, .. } if puts_together(u, *callee) => {
                    open.extend(args.iter().map(|a| a.value));
                }
                ExprKind::Name(_) | ExprKind::Member { .. } | ExprKind::Index { .. } if x != whole => {
                    let value = match &u.expr(x).kind {
                        ExprKind::Name(n) => self.env.get(*n).cloned().unwrap_or_default(),
                        _ => Value::default(),
                    };
                    if tests.iter().all(|t| self.test(t, Some(&value), Some(u), Some(x))) {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn test(&self, test: &Test, v: Option<&Value>, unit: Option<U<'_>>, x: Option<ExprId>) -> bool {
        if let Test::Missing(m) = test {
            return v.is_none() == *m;
        }
        let Some(v) = v else {
            return matches!(test, Test::Unbounded(true));
        };
        match test {
            Test::Missing(_) => false,
            Test::Is(list) => v.lit.as_ref().is_some_and(|l| list.iter().any(|c| same(l, c))),
            Test::Not(list) => !v.lit.as_ref().is_some_and(|l| list.iter().any(|c| same(l, c))),
            Test::Matches(p) => match (&v.lit, &v.shape) {
                (Some(Lit::Str(s)), _) => p.is_match(s),
                (_, Some(shape)) => p.is_match(&shape.text),
                _ => false,
            },
            Test::NotMatches(p) => match (&v.lit, &v.shape) {
                (Some(Lit::Str(s)), _) => !p.is_match(s),
                (_, Some(shape)) => !p.is_match(&shape.text),
                _ => true,
            },
            Test::Random(r) => matches!(&v.lit, Some(Lit::Str(s)) if text::is_random(s)) == *r,
            Test::Literal(l) => {
                let constant = match &v.lit {
                    Some(Lit::Str(s)) => !s.is_empty(),
                    Some(Lit::Null) => false,
                    Some(_) => true,
                    None => {
                        v.is_constant()
                            && v.object.as_ref().is_some_and(|o| !o.fields.is_empty() || o.list.as_ref().is_some_and(|l| !l.is_empty()))
                    }
                };
                constant == *l
            }
            Test::Built(b) => v.is_built() == *b,
            Test::Object(o) => v.object.as_ref().is_some_and(|o| o.class.is_none()) == *o,
            Test::Tainted(t, sources) => {
                let (bits, kinds, _) = v.deep();
                // Parameters and stored data count as untrusted only where a rule names them.
                let trusted = self.param_source | self.stored_source | self.unknown_source;
                let hit = bits != 0 && sources.map_or(kinds & !trusted != 0, |s| kinds & s != 0);
                hit == *t
            }
            Test::Path(set) => set.contains(v.path),
            Test::NotPath(set) => !set.contains(v.path),
            Test::Name(p) => match (unit, x) {
                (Some(u), Some(x)) => name_of(u, x).is_some_and(|n| p.is_match(&n)),
                _ => !v.place.is_empty() && p.is_match(&v.place),
            },
            Test::NotName(p) => !match (unit, x) {
                (Some(u), Some(x)) => name_of(u, x).is_some_and(|n| p.is_match(&n)),
                _ => !v.place.is_empty() && p.is_match(&v.place),
            },
            Test::Below(limit) => match v.lit {
                // Rounded where it is larger than any limit that makes sense.
                #[allow(clippy::cast_precision_loss)]
                Some(Lit::Int(i)) => (i as f64) < *limit,
                Some(Lit::Float(f)) => f < *limit,
                _ => false,
            },
            Test::Unbounded(b) => (v.bounded || matches!(v.lit, Some(Lit::Int(_) | Lit::Float(_)))) != *b,
        }
    }

    // ---- rules ------------------------------------------------------------------------------

    /// Sinks, call rules and marks of a call.
    pub(super) fn judge_call(&mut self, site: &CallSite<'_>, r: &CallRoles) {
        for s in &r.sinks {
            self.judge_sink(site, s);
        }
        for c in &r.clauses {
            let mut needs = Vec::new();
            if self.all_hold(&Subject { site: Some(site), value: None, target: self.frame.target }, &c.when, &mut needs) {
                let span = c.report.as_ref().and_then(|s| site.select(s)).map_or(site.span, |a| a.span);
                self.clause(c, span, site.span, site.callee, needs, site.path);
            }
        }
        let pos = self.pos(site.span);
        for m in &r.marks {
            if self.holds(site, &m.when) {
                self.mark(m, pos);
            }
        }
        if let Some((framework, entry)) = r.app {
            self.setup.rules.used(entry);
            self.record.facts.apps.push((framework, pos));
        }
    }

    fn judge_sink(&mut self, site: &CallSite<'_>, s: &Sink) {
        if s.bit == 0 || !self.holds(site, &s.when) {
            return;
        }
        match &s.arg {
            Selector::Any => {
                for a in site.args {
                    self.flow_into(s, &a.value, true, a.span, site.span, site.callee, site.path);
                }
            }
            Selector::Receiver => {
                if let (Some(v), Some(x)) = (site.receiver, site.receiver_expr) {
                    let span = site.unit.expr(x).span;
                    self.flow_into(s, v, false, span, site.span, site.callee, site.path);
                }
            }
            sel => {
                if let Some(a) = site.select(sel) {
                    self.flow_into(s, &a.value, s.deep, a.span, site.span, site.callee, site.path);
                }
            }
        }
    }

    /// Untrusted data reaches a sink: every rule about that kind of sink is asked.
    #[allow(clippy::too_many_arguments)]
    fn flow_into(&mut self, s: &Sink, v: &Value, deep: bool, span: Span, around: Span, named: Span, path: Sym) {
        let (taint, sources, flow) = if deep { v.deep() } else { (v.taint, v.sources, v.flow.as_ref()) };
        if taint & s.bit == 0 {
            return;
        }
        // Whoever chooses only what follows the host does not choose where it leads.
        let leads = s.bit & (self.sink_bit("url") | self.sink_bit("redirect")) != 0;
        if leads && v.shape.as_ref().is_some_and(|shape| shape.fixes_host()) {
            return;
        }
        let rules = self.setup.rules;
        let mut reported = false;
        let bit = s.bit.trailing_zeros() as usize;
        for ix in rules.taint_rules.get(bit).into_iter().flatten() {
            let rule = &rules.rules[*ix];
            let RuleKind::Taint { sources: regular, pedantic_sources, .. } = &rule.kind else { continue };
            // Somebody unseen vouched for it: that lowers the confidence, and is enough doubt to be silent where nothing else is odd.
            let vouched = v.vouched & s.bit != 0;
            let persona = if sources & regular != 0 && !vouched {
                rule.persona
            } else if sources & (regular | pedantic_sources) != 0 {
                rule.persona.max(Persona::Pedantic)
            } else {
                continue;
            };
            let mut confidence = rule.confidence.min(s.confidence);
            if sources & !(self.param_source | self.unknown_source) == 0 {
                confidence = confidence.min(Confidence::Medium);
            }
            if vouched {
                confidence = Confidence::Low;
            }
            let steps = Record::steps(flow, |m| (m != 0).then(|| self.modules[m as usize].path.clone()));
            let finding = RawFinding {
                rule: *ix,
                pos: self.pos(span),
                around: self.pos(around),
                named: self.pos(named),
                path,
                placeholder: s.placeholder,
                message: s.message.clone(),
                confidence,
                persona,
                steps,
                needs: Vec::new(),
            };
            reported |= self.report(finding);
            rules.used(s.entry);
        }
        if reported && !v.place.is_empty() {
            // What is done about the first use helps the later ones: a variable is reported once.
            self.env.clear(v.place, s.bit);
        }
    }

    /// False: there is no place in this file that could be blamed.
    fn report(&mut self, finding: RawFinding) -> bool {
        if finding.pos.module == 0 {
            self.record.findings.push(finding);
            return true;
        }
        // A sink in another file: reported where this file hands the data over.
        let here = finding.steps.iter().rev().find(|s| s.pos.module == 0).map(|s| s.pos);
        if let Some(pos) = here {
            let mut finding = finding;
            let file = self.modules[finding.pos.module as usize].path.clone();
            finding.steps.push(super::RawStep { pos: finding.pos, file: Some(file), note: super::Note::Passed(Sym::default()) });
            finding.pos = pos;
            finding.around = pos;
            self.record.findings.push(finding);
        }
        here.is_some()
    }

    fn clause(&mut self, c: &Clause, span: Span, around: Span, named: Span, needs: Vec<(Sym, bool)>, path: Sym) {
        if self.module != 0 {
            return;
        }
        self.setup.rules.used(c.entry);
        let rule = &self.setup.rules.rules[c.rule];
        let finding = RawFinding {
            rule: c.rule,
            pos: self.pos(span),
            around: self.pos(around),
            named: self.pos(named),
            path,
            placeholder: None,
            message: None,
            confidence: rule.confidence,
            persona: rule.persona,
            steps: Vec::new(),
            needs,
        };
        self.record.findings.push(finding);
    }

    /// Arguments by keyword are assignments to their names.
    pub(super) fn keywords(&mut self, site: &CallSite<'_>) {
        if self.module != 0 || site.args.iter().all(|a| a.name.is_none()) {
            return;
        }
        let models = self.setup.models;
        for a in site.args {
            let Some(name) = a.name else { continue };
            let subject = Subject { site: None, value: Some((&a.value, site.unit, a.expr)), target: Some(name) };
            for (pattern, c) in &models.named_assigns {
                let mut needs = Vec::new();
                if pattern.is_match(&name) && self.all_hold(&subject, &c.when, &mut needs) {
                    self.clause(c, site.unit.expr(a.expr).span, a.span, Span::default(), needs, name);
                }
            }
        }
    }

    /// Something is assigned (variable, member, key or option): `assign` rules speak.
    pub(super) fn assigned(&mut self, u: U<'_>, path: Sym, name: Sym, value: &Value, from: ExprId, span: Span) {
        if self.module != 0 {
            return;
        }
        let models = self.setup.models;
        let roles = assign_roles(models, path);
        let roles = roles.or_else(|| (path.is_empty() || path.ends_with(')')).then(|| models.any_members.get(&name)).flatten());
        let subject = Subject { site: None, value: Some((value, u, from)), target: Some(name) };
        let around = Span { start: span.start.min(u.expr(from).span.start), end: span.end.max(u.expr(from).span.end) };
        if let Some(r) = roles {
            for c in &r.clauses {
                let mut needs = Vec::new();
                if self.all_hold(&subject, &c.when, &mut needs) {
                    self.clause(c, u.expr(from).span, around, span, needs, path);
                }
            }
            let pos = self.pos(around);
            for m in &r.assign_marks {
                if self.all_hold(&subject, &m.when, &mut Vec::new()) {
                    self.mark(m, pos);
                }
            }
        }
        for (pattern, c) in &models.named_assigns {
            if pattern.is_match(&name) {
                let mut needs = Vec::new();
                if self.all_hold(&subject, &c.when, &mut needs) {
                    self.clause(c, u.expr(from).span, around, Span::default(), needs, name);
                }
            }
        }
    }

    /// Assignment sinks: `element.innerHTML = x`.
    pub(super) fn assign_sinks(&mut self, u: U<'_>, path: Sym, name: Sym, owner: &Value, value: &Value, from: ExprId, span: Span) {
        let models = self.setup.models;
        let roles = assign_roles(models, path).or_else(|| super::call::is_unknown(owner).then(|| models.any_members.get(&name)).flatten());
        let Some(r) = roles else { return };
        let subject = Subject { site: None, value: Some((value, u, from)), target: Some(name) };
        let around = Span { start: span.start, end: u.expr(from).span.end.max(span.end) };
        for s in &r.sinks {
            if self.all_hold(&subject, &s.when, &mut Vec::new()) {
                self.flow_into(s, value, s.deep, u.expr(from).span, around, span, if path.is_empty() { name } else { path });
            }
        }
    }

    /// `object[key] = value` with a key from outside: the sink kind `prototype`.
    pub(super) fn dynamic_key(&mut self, u: U<'_>, owner: &Value, key: &Value, index: ExprId, span: Span) {
        let bit = self.sink_bit("prototype");
        if key.taint & bit == 0 || bit == 0 || self.setup.language == crate::lang::Language::Python {
            return;
        }
        let _ = owner;
        let sink = Sink {
            entry: NO_ENTRY,
            bit,
            kind: sym("prototype"),
            arg: Selector::Value,
            when: Vec::new(),
            placeholder: None,
            confidence: Confidence::Medium,
            deep: false,
            message: None,
        };
        self.flow_into(&sink, key, false, u.expr(index).span, span, span, sym("[]"));
    }

    /// `left or right`: a value with a default.
    pub(super) fn fallback(&mut self, u: U<'_>, left: ExprId, l: &Value, right: ExprId, r: &Value) {
        if self.module != 0 || l.path.is_empty() {
            return;
        }
        let models = self.setup.models;
        let roles = models
            .members
            .get(&l.path)
            .into_iter()
            .chain(l.path.rsplit_once('.').and_then(|(head, _)| models.prefixes.get(&Sym::existing(head)?)));
        let key = name_of(u, left).unwrap_or_default();
        for roles in roles {
            for c in &roles.fallbacks {
                if c.name.as_ref().is_some_and(|p| !p.is_match(&key)) {
                    continue;
                }
                let subject = Subject { site: None, value: Some((r, u, right)), target: Some(sym(&key)) };
                let mut needs = Vec::new();
                if self.all_hold(&subject, &c.when, &mut needs) {
                    let (a, b) = (u.expr(left).span, u.expr(right).span);
                    self.clause(c, b, Span { start: a.start, end: b.end }, a, needs, l.path);
                }
            }
        }
    }

    /// A handler's returned value goes to the client as it is.
    pub(super) fn returned_to_client(&mut self, u: U<'_>, x: ExprId, value: &Value, bits: SinkBits) {
        let value = match &value.object {
            // `return body, status`
            Some(o) if o.class.is_none() => match o.list.as_ref().and_then(|l| l.first()) {
                Some(first) => first.clone(),
                None => return,
            },
            _ => value.clone(),
        };
        // A value typed by a library (a response object, a model) is not text.
        if value.path.to_lowercase().contains("response") && !value.is_built() {
            return;
        }
        let sink = Sink {
            entry: NO_ENTRY,
            bit: bits,
            kind: sym("html"),
            arg: Selector::Value,
            when: Vec::new(),
            placeholder: None,
            confidence: Confidence::Medium,
            deep: false,
            message: None,
        };
        self.flow_into(&sink, &value, false, u.expr(x).span, u.expr(x).span, Span::default(), sym("return"));
    }

    // ---- marks ------------------------------------------------------------------------------

    pub(super) fn mark(&mut self, m: &Mark, pos: Pos) {
        self.setup.rules.used(m.entry);
        let route = self.record.route;
        if !self.record.facts.marks.iter().any(|f| f.kind == m.kind && f.pos == pos) {
            self.record.facts.marks.push(MarkFact { kind: m.kind, pos, route });
        }
    }

    pub(super) fn import_marks(&mut self, module: Sym) {
        let models = self.setup.models;
        let pos = self.pos(Span::default());
        let mut name = module.as_str();
        loop {
            if let Some(marks) = Sym::existing(name).and_then(|n| models.import_marks.get(&n)) {
                for m in marks {
                    self.mark(m, pos);
                }
            }
            match name.rfind(['.', '/']) {
                Some(cut) if cut > 0 => name = &name[..cut],
                _ => break,
            }
        }
    }

    pub(super) fn define_marks(&mut self, name: Option<Sym>, span: Span) {
        let Some(name) = name else { return };
        let models = self.setup.models;
        for (p, m) in &models.define_marks {
            if p.is_match(&name) {
                let pos = self.pos(span);
                self.mark(m, pos);
            }
        }
    }

    pub(super) fn string_marks(&mut self, text: &str, span: Span) {
        let models = self.setup.models;
        if text.len() > 4096 {
            return;
        }
        for (p, m) in &models.string_marks {
            if p.is_match(text) {
                let pos = self.pos(span);
                self.mark(m, pos);
            }
        }
    }

    pub(super) fn route_marks(&mut self, label: &str, pos: Pos, handler: (u64, u32)) {
        let models = self.setup.models;
        for (p, m) in &models.route_marks {
            if p.is_match(label) {
                let saved = self.record.route.replace(handler);
                self.mark(m, pos);
                self.record.route = saved;
            }
        }
    }

    /// Marks on calling a path that is only used as a decorator.
    pub(super) fn decorator_marks(&mut self, path: Sym, span: Span) {
        let models = self.setup.models;
        if let Some(r) = models.calls.get(&path) {
            let pos = self.pos(span);
            for m in r.marks.iter().filter(|m| m.when.is_empty()) {
                self.mark(m, pos);
            }
        }
    }
}

/// `json.dumps(..)`, `"..".format(..)` and the like: what goes in comes out.
fn puts_together(u: U<'_>, callee: ExprId) -> bool {
    match &u.expr(callee).kind {
        ExprKind::Member { name, .. } => matches!(name.as_str(), "format" | "dumps" | "stringify" | "inspect" | "join"),
        ExprKind::Name(n) => matches!(n.as_str(), "str" | "repr" | "String"),
        _ => false,
    }
}

/// The words of a command line, one a line, with a hole for what is tainted. Lists are laid out; options by name are none of the words.
fn words(site: &CallSite<'_>) -> String {
    fn word(v: &Value, depth: u32, out: &mut String) {
        match (&v.lit, &v.shape, &v.object) {
            (Some(Lit::Str(s)), ..) => out.push_str(s),
            (_, Some(shape), _) if v.taint != 0 => out.push_str(&shape.text),
            (_, Some(shape), _) => out.push_str(&shape.text.replace('\0', "?")),
            (_, _, Some(o)) if depth > 0 && o.class.is_none() => {
                return o.list.iter().flatten().for_each(|v| word(v, depth - 1, out));
            }
            _ if v.taint != 0 => out.push('\0'),
            _ if v.path.is_empty() => out.push('?'),
            _ => out.push_str(&v.path),
        }
        out.push('\n');
    }
    let mut out = String::new();
    for a in site.args.iter().filter(|a| a.name.is_none_or(|n| matches!(n.as_str(), "args" | "argv" | "command" | "cmd"))) {
        word(&a.value, 3, &mut out);
    }
    out
}

/// What assigning a path means: its own roles, or those of `prefix.*`.
fn assign_roles(models: &Models, path: Sym) -> Option<&MemberRoles> {
    let own = models.members.get(&path).filter(|r| !(r.sinks.is_empty() && r.clauses.is_empty() && r.assign_marks.is_empty()));
    own.or_else(|| models.prefixes.get(&sym(path.rsplit_once('.')?.0)))
}

/// The option at a dotted key.
fn pick(v: &Value, key: Option<&[Sym]>) -> Option<Value> {
    let Some(keys) = key else { return Some(v.clone()) };
    let mut at = v.clone();
    for k in keys {
        let object = at.object.as_ref()?;
        // `allow_origins.0`: the first element of a list.
        let element = || k.parse().ok().and_then(|i| object.get(&super::Key::Int(i)));
        let next = object.get(&super::Key::Str(*k)).or_else(element)?.clone();
        at = next;
    }
    Some(at)
}

fn same(l: &Lit, c: &Const) -> bool {
    match (l, &c.0) {
        (Lit::Str(a), Lit::Str(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

/// What an expression would be called: the last name in it.
pub(super) fn name_of(u: U<'_>, x: ExprId) -> Option<String> {
    match &u.expr(x).kind {
        ExprKind::Name(n) => Some(n.to_string()),
        ExprKind::Member { name, .. } => Some(name.to_string()),
        ExprKind::Index { index, object } => match &u.expr(*index).kind {
            ExprKind::Lit(Lit::Str(s)) => Some(s.to_string()),
            _ => name_of(u, *object),
        },
        ExprKind::Call { callee, args, .. } => {
            // `os.getenv("KEY")`: the key says more than the function.
            if let Some(a) = args.first()
                && let ExprKind::Lit(Lit::Str(s)) = &u.expr(a.value).kind
            {
                return Some(s.to_string());
            }
            // `password.encode()`: another form of the same thing.
            if let ExprKind::Member { object, name } = &u.expr(*callee).kind
                && matches!(
                    name.as_str(),
                    "encode" | "decode" | "strip" | "lower" | "upper" | "trim" | "toString" | "toLowerCase" | "normalize" | "getBytes"
                )
            {
                return name_of(u, *object);
            }
            name_of(u, *callee)
        }
        ExprKind::Lit(Lit::Str(s)) => Some(s.to_string()),
        ExprKind::Await(x) | ExprKind::Spread(x) => name_of(u, *x),
        _ => None,
    }
}
