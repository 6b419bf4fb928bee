{{/*
What the container may do. The capabilities are the sensor's own list, which a test compares. They are written without
CAP_, as Kubernetes has them; docs/privileges.md says what each is for.
*/}}
{{- define "sensor.securityContext" -}}
# root, because capabilities are given to nobody else.
runAsUser: 0
runAsGroup: 0
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add: [SYS_ADMIN, BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH, SETUID, SETGID]
seccompProfile:
  {{- toYaml .Values.seccompProfile | nindent 2 }}
appArmorProfile:
  {{- toYaml .Values.appArmorProfile | nindent 2 }}
{{- with .Values.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
