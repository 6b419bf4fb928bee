{{/*
A map as TOML: first its values, then its sections, sorted by name. JSON's texts, numbers, truths and lists of those are
TOML's too. Helm's own toToml writes whole numbers of a values file as floats, which the sensor refuses.
Takes a dict with `path` (a list of names) and `map`.
*/}}
{{- define "sensor.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .map -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value) (include "sensor.isTables" $value)) }}
{{ template "sensor.tomlKey" $key }} = {{ toJson $value }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .map -}}
{{- $inner := append $path $key -}}
{{- if kindIs "map" $value }}

[{{ include "sensor.tomlPath" $inner }}]
{{- template "sensor.toml" (dict "path" $inner "map" $value) -}}
{{- else if include "sensor.isTables" $value -}}
{{- range $value }}

[[{{ include "sensor.tomlPath" $inner }}]]
{{- template "sensor.toml" (dict "path" $inner "map" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Not empty if the value is a list of maps: an array of tables. */}}
{{- define "sensor.isTables" -}}
{{- if and (kindIs "slice" .) . -}}
{{- if kindIs "map" (first .) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sensor.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "sensor.tomlPath" -}}
{{- range $index, $name := . -}}
{{- if $index }}.{{ end }}{{ template "sensor.tomlKey" $name }}
{{- end -}}
{{- end -}}

{{/*
sensor.toml: what the values say, and beneath it what the chart decides. Where metrics listen is the chart's matter, since
probes and Services must agree with it.
*/}}
{{- define "sensor.config" -}}
{{- if hasKey (default dict .Values.config.metrics) "listen" -}}
{{- fail "config.metrics.listen is the chart's: say metrics.port, or metrics.enabled: false" -}}
{{- end -}}
{{- $listen := ternary (printf "0.0.0.0:%d" (int .Values.metrics.port)) "off" .Values.metrics.enabled -}}
{{- $chart := dict "metrics" (dict "listen" $listen) -}}
# Rendered by Helm from the values of {{ include "sensor.fullname" . }}.
{{- template "sensor.toml" (dict "path" (list) "map" (mergeOverwrite (deepCopy .Values.config) $chart)) }}
{{- end -}}

{{/* Not empty if alerts are written to a file. */}}
{{- define "sensor.writesFile" -}}
{{- if dig "output" "file" "enabled" false .Values.config }}yes{{ end -}}
{{- end -}}
