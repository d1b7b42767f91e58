/**
 * Every schema that has a name of its own: routes refer to them, the OpenAPI document lists them.
 *
 * A name that is missing here does not resolve, and the server does not start. Not here: the schemas.
 */
import { ApprovalAnswer, ApprovalPage, ApprovalView } from "./approval.ts";
import { AuditPage } from "./audit.ts";
import { BillingView } from "./billing.ts";
import { EventPage, EventView } from "./event.ts";
import { HealthView, JwksView, ReadyView } from "./health.ts";
import { KeyPage, KeySubmission, KeyView, NewKeyView } from "./key.ts";
import { ProblemView } from "./problem.ts";
import { DeadLetterPage, DeadLetterView, PauseSubmission, QueueView, RedriveSubmission, WaitView } from "./queue.ts";
import { ArtifactView, RecordView } from "./record.ts";
import { RetentionView } from "./retention.ts";
import { BreakpointList, CancelView, RunPage, RunView, StepView } from "./run.ts";
import { SecretPage, SecretSubmission, SecretView } from "./secret.ts";
import {
  DeliveryPage,
  PutSinkView,
  SinkDeadLetterPage,
  SinkPage,
  SinkRedriveSubmission,
  SinkRedriveView,
  SinkSecretView,
  SinkSubmission,
  SinkView,
} from "./sink.ts";
import { DecisionView, StepPendingView, StepResultView } from "./step.ts";
import { START_SCHEMAS } from "./submissions.ts";
import { BudgetsView, TenantPage, TenantSubmission, TenantView } from "./tenant.ts";
import { ExecutorPage, ExecutorSettings, ExecutorView, ToolPage, ToolSubmission, ToolView } from "./tool.ts";

export const NAMED_SCHEMAS = [
  ...START_SCHEMAS,
  ApprovalAnswer,
  ApprovalPage,
  ApprovalView,
  ArtifactView,
  AuditPage,
  BreakpointList,
  BillingView,
  BudgetsView,
  CancelView,
  DeadLetterPage,
  DeadLetterView,
  DecisionView,
  DeliveryPage,
  EventPage,
  EventView,
  ExecutorPage,
  ExecutorSettings,
  ExecutorView,
  HealthView,
  JwksView,
  KeyPage,
  KeySubmission,
  KeyView,
  NewKeyView,
  PauseSubmission,
  ProblemView,
  PutSinkView,
  QueueView,
  ReadyView,
  RecordView,
  RedriveSubmission,
  RetentionView,
  RunPage,
  RunView,
  SecretPage,
  SecretSubmission,
  SecretView,
  SinkDeadLetterPage,
  SinkPage,
  SinkRedriveSubmission,
  SinkRedriveView,
  SinkSecretView,
  SinkSubmission,
  SinkView,
  StepPendingView,
  StepResultView,
  StepView,
  TenantPage,
  TenantSubmission,
  TenantView,
  ToolPage,
  ToolSubmission,
  ToolView,
  WaitView,
] as const;
