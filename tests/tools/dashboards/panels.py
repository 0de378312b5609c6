"""What Grafana calls panels, variables and dashboards, as far as ours use them."""

import re

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# `.*` for "all" also takes series without the label: outside of Kubernetes there is neither namespace nor pod.
ALL = ".*"
PROCESS = 'namespace=~"$namespace", job=~"$job", pod=~"$pod", instance=~"$instance"'
WIDTHS = {"stat": 4, "half": 12, "third": 8, "whole": 24}


def fill(expression: str) -> str:
    """`metric{*}` is of the processes that were chosen, `metric{*l}` of the listeners too, `metric{*t}` of the tenants too; `[r]` is Grafana's own window for rates."""
    for mark, labels in (("*t", f'{PROCESS}, listener=~"$listener", tenant=~"$tenant"'), ("*l", f'{PROCESS}, listener=~"$listener"'), ("*", PROCESS)):
        expression = re.sub(r"\{" + re.escape(mark) + r"(?=[,}])", "{" + labels.replace("\\", r"\\"), expression)
    return re.sub(r"\s+", " ", expression).strip().replace("[r]", "[$__rate_interval]")


class Panel:
    """One panel: expressions by legend, what they are measured in, and what somebody who has not read the source has to know."""

    def __init__(self, title: str, text: str, targets: dict[str, str], unit: str = "short", kind: str = "timeseries", width: str = "half", stack: bool = False,
                 thresholds: dict[str, float] | None = None, most: float | None = None):
        self.title, self.text, self.targets, self.unit, self.kind, self.stack, self.most = title, text, targets, unit, kind, stack, most
        self.width, self.height = WIDTHS[width], 4 if kind == "stat" else 8
        self.thresholds = thresholds or {}

    def json(self, identity: int, x: int, y: int) -> dict:
        instant = self.kind in ("stat", "table")
        return {
            "id": identity, "type": self.kind, "title": self.title, "description": self.text, "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [self.target(chr(ord("A") + n), legend, expression, instant) for n, (legend, expression) in enumerate(self.targets.items())],
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": getattr(self, self.kind)(),
            **self.transformations(),
        }

    def target(self, letter: str, legend: str, expression: str, instant: bool) -> dict:
        form = "table" if self.kind == "table" else "time_series"
        return {"refId": letter, "datasource": DATASOURCE, "editorMode": "code", "expr": fill(expression), "legendFormat": legend, "format": form,
                "instant": instant, "range": not instant}

    def defaults(self) -> dict:
        steps = [{"color": "green", "value": None}, *({"color": color, "value": value} for color, value in self.thresholds.items())]
        common = {"unit": self.unit, "min": 0 if self.most is not None else None, "max": self.most, "noValue": "–",
                  "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            stacking = {"mode": "normal" if self.stack else "none", "group": "A"}
            lines = {"mode": "line" if self.thresholds else "off"}
            common["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if self.stack else 8, "showPoints": "never", "spanNulls": False,
                                "stacking": stacking, "thresholdsStyle": lines}
        return {k: v for k, v in common.items() if v is not None}

    def timeseries(self) -> dict:
        return {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"}}

    def stat(self) -> dict:
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
                "orientation": "auto", "textMode": "auto"}

    def table(self) -> dict:
        return {"showHeader": True, "cellHeight": "sm", "sortBy": []}

    def transformations(self) -> dict:
        """The columns of a table are its expressions, named by their legends."""
        if self.kind != "table":
            return {}
        several = len(self.targets) > 1
        names = {(f"Value #{chr(ord('A') + n)}" if several else "Value"): legend for n, legend in enumerate(self.targets)}
        return {"transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}}]}


def variable(name: str, label: str, query: str) -> dict:
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "query": {"query": query, "refId": f"variable-{name}", "qryType": 1},
            "definition": query, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ALL, "hide": 0, "options": [], "regex": "",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def variables() -> list[dict]:
    known = 'palisade_build_info{namespace=~"$namespace"'
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0, "multi": False, "includeAll": False,
         "options": [], "regex": "", "current": {}},
        variable("namespace", "Namespace", "label_values(palisade_build_info, namespace)"),
        variable("job", "Job", f"label_values({known}}}, job)"),
        variable("pod", "Pod", f'label_values({known}, job=~"$job"}}, pod)'),
        variable("instance", "Instance", f'label_values({known}, job=~"$job", pod=~"$pod"}}, instance)'),
        variable("listener", "Listener", 'label_values(palisade_connections_limit{namespace=~"$namespace", job=~"$job"}, listener)'),
        variable("tenant", "Tenant", 'label_values(palisade_requests_total{namespace=~"$namespace", job=~"$job"}, tenant)'),
    ]


def dashboard(uid: str, title: str, description: str, rows: dict[str, list[Panel]]) -> dict:
    """Rows of panels, laid out from left to right. The uid never changes: links and alerts point to it."""
    panels, y = [], 0
    for heading, members in rows.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        x, y, tallest = 0, y + 1, 0
        for panel in members:
            if x + panel.width > 24:
                x, y, tallest = 0, y + tallest, 0
            panels.append(panel.json(len(panels) + 1, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return {
        "uid": f"palisade-{uid}", "title": f"Palisade / {title}", "description": description, "tags": ["palisade"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "fiscalYearStartMonth": 0, "weekStart": "", "timezone": "browser", "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
        "annotations": {"list": []}, "templating": {"list": variables()}, "panels": panels,
        "links": [{"type": "dashboards", "title": "Palisade", "tags": ["palisade"], "asDropdown": True, "includeVars": True, "keepTime": True, "targetBlank": False,
                   "icon": "external link", "tooltip": "", "url": ""}],
    }
