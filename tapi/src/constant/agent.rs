//! Agents, sessions, groups, queues and their handler (tapi-agents 2).

use super::constants;

constants! {
    /// State of an agent session; one value, not a mask.
    AgentSessionState, "LINEAGENTSESSIONSTATE_" {
        NotReady = 0x00000001, "NOTREADY";
        Ready = 0x00000002, "READY";
        BusyOnCall = 0x00000004, "BUSYONCALL";
        BusyWrapUp = 0x00000008, "BUSYWRAPUP";
        Ended = 0x00000010, "ENDED";
        Released = 0x00000020, "RELEASED";
    }
}

constants! {
    /// State of an agent, over all its sessions.
    AgentStateEx, "LINEAGENTSTATEEX_" {
        NotReady = 0x00000001, "NOTREADY";
        Ready = 0x00000002, "READY";
        BusyAcd = 0x00000004, "BUSYACD";
        BusyIncoming = 0x00000008, "BUSYINCOMING";
        BusyOutgoing = 0x00000010, "BUSYOUTGOING";
        Unknown = 0x00000020, "UNKNOWN";
        Released = 0x00000040, "RELEASED";
    }
}

constants! {
    /// State of whoever works at an address, the older view.
    AgentState, "LINEAGENTSTATE_" {
        LoggedOff = 0x00000001, "LOGGEDOFF";
        NotReady = 0x00000002, "NOTREADY";
        Ready = 0x00000004, "READY";
        BusyAcd = 0x00000008, "BUSYACD";
        BusyIncoming = 0x00000010, "BUSYINCOMING";
        BusyOutbound = 0x00000020, "BUSYOUTBOUND";
        BusyOther = 0x00000040, "BUSYOTHER";
        WorkingAfterCall = 0x00000080, "WORKINGAFTERCALL";
        Unknown = 0x00000100, "UNKNOWN";
        Unavail = 0x00000200, "UNAVAIL";
    }
}

constants! {
    /// What changed in LINEAGENTSTATUS.
    AgentStatusChange, "LINEAGENTSTATUS_" {
        Group = 0x00000001, "GROUP";
        State = 0x00000002, "STATE";
        NextState = 0x00000004, "NEXTSTATE";
        Activity = 0x00000008, "ACTIVITY";
        ActivityList = 0x00000010, "ACTIVITYLIST";
        GroupList = 0x00000020, "GROUPLIST";
        CapsChange = 0x00000040, "CAPSCHANGE";
        ValidStates = 0x00000080, "VALIDSTATES";
        ValidNextStates = 0x00000100, "VALIDNEXTSTATES";
    }
}

constants! {
    /// What LINE_AGENTSTATUSEX tells.
    AgentStatusExChange, "LINEAGENTSTATUSEX_" {
        NewAgent = 0x00000001, "NEWAGENT";
        State = 0x00000002, "STATE";
        UpdateInfo = 0x00000004, "UPDATEINFO";
    }
}

constants! {
    /// What LINE_AGENTSESSIONSTATUS tells.
    AgentSessionStatusChange, "LINEAGENTSESSIONSTATUS_" {
        NewSession = 0x00000001, "NEWSESSION";
        State = 0x00000002, "STATE";
        UpdateInfo = 0x00000004, "UPDATEINFO";
    }
}

constants! {
    /// What LINE_QUEUESTATUS tells. UPDATEINFO is the first bit here.
    QueueStatusChange, "LINEQUEUESTATUS_" {
        UpdateInfo = 0x00000001, "UPDATEINFO";
        NewQueue = 0x00000002, "NEWQUEUE";
        QueueRemoved = 0x00000004, "QUEUEREMOVED";
    }
}

constants! {
    /// What LINE_GROUPSTATUS tells.
    GroupStatusChange, "LINEGROUPSTATUS_" {
        NewGroup = 0x00000001, "NEWGROUP";
        GroupRemoved = 0x00000002, "GROUPREMOVED";
    }
}

constants! {
    /// What LINE_PROXYSTATUS tells.
    ProxyStatusChange, "LINEPROXYSTATUS_" {
        Open = 0x00000001, "OPEN";
        Close = 0x00000002, "CLOSE";
        AllOpenForAcd = 0x00000004, "ALLOPENFORACD";
    }
}

constants! {
    /// Which of the older agent functions can be used on an address.
    AgentFeature, "LINEAGENTFEATURE_" {
        SetAgentGroup = 0x00000001, "SETAGENTGROUP";
        SetAgentState = 0x00000002, "SETAGENTSTATE";
        SetAgentActivity = 0x00000004, "SETAGENTACTIVITY";
        AgentSpecific = 0x00000008, "AGENTSPECIFIC";
        GetAgentActivityList = 0x00000010, "GETAGENTACTIVITYLIST";
        GetAgentGroup = 0x00000020, "GETAGENTGROUP";
    }
}

constants! {
    /// Types of the requests that an agent handler serves; plain numbers, not bits.
    ProxyRequest, "LINEPROXYREQUEST_" {
        SetAgentGroup = 0x00000001, "SETAGENTGROUP";
        SetAgentState = 0x00000002, "SETAGENTSTATE";
        SetAgentActivity = 0x00000003, "SETAGENTACTIVITY";
        GetAgentCaps = 0x00000004, "GETAGENTCAPS";
        GetAgentStatus = 0x00000005, "GETAGENTSTATUS";
        AgentSpecific = 0x00000006, "AGENTSPECIFIC";
        GetAgentActivityList = 0x00000007, "GETAGENTACTIVITYLIST";
        GetAgentGroupList = 0x00000008, "GETAGENTGROUPLIST";
        CreateAgent = 0x00000009, "CREATEAGENT";
        SetAgentMeasurementPeriod = 0x0000000A, "SETAGENTMEASUREMENTPERIOD";
        GetAgentInfo = 0x0000000B, "GETAGENTINFO";
        CreateAgentSession = 0x0000000C, "CREATEAGENTSESSION";
        GetAgentSessionList = 0x0000000D, "GETAGENTSESSIONLIST";
        SetAgentSessionState = 0x0000000E, "SETAGENTSESSIONSTATE";
        GetAgentSessionInfo = 0x0000000F, "GETAGENTSESSIONINFO";
        GetQueueList = 0x00000010, "GETQUEUELIST";
        SetQueueMeasurementPeriod = 0x00000011, "SETQUEUEMEASUREMENTPERIOD";
        GetQueueInfo = 0x00000012, "GETQUEUEINFO";
        GetGroupList = 0x00000013, "GETGROUPLIST";
        SetAgentStateEx = 0x00000014, "SETAGENTSTATEEX";
    }
}

constants! {
    /// The messages that an agent handler sends by lineProxyMessage, by their numbers.
    ProxyMessage, "LINE_" {
        AgentSpecific = 0x00000015, "AGENTSPECIFIC";
        AgentStatus = 0x00000016, "AGENTSTATUS";
        AgentSessionStatus = 0x0000001B, "AGENTSESSIONSTATUS";
        QueueStatus = 0x0000001C, "QUEUESTATUS";
        AgentStatusEx = 0x0000001D, "AGENTSTATUSEX";
        GroupStatus = 0x0000001E, "GROUPSTATUS";
    }
}
